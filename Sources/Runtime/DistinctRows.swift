// SPDX-License-Identifier: Apache-2.0
import Shims

/// The `count` rows whose largest cosine similarity with a later row is smallest, in their order. The gaps between the largest are
/// tiny, so norms and products are summed in f64.
package func distinctRows(_ x: TensorView, count: Int, _ ctx: Context) throws(RuntimeError) -> [Int] {
  guard count >= 0, count <= x.rows else { throw .shape(operation: "distinct rows", expected: x.rows, found: count) }
  if count == x.rows { return Array(0..<count) }
  let mark = ctx.arena.mark()
  defer { ctx.arena.release(to: mark) }
  let norms = try ctx.arena.array(of: Float.self, x.rows)
  let largest = try ctx.arena.array(of: Float.self, x.rows)
  func dot(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>) -> Double {
    var sum = SIMD8<Double>(repeating: 0)
    var k = 0
    while k + 8 <= x.columns {
      let p = UnsafeRawPointer(a + k).loadUnaligned(as: SIMD8<Float>.self)
      let q = UnsafeRawPointer(b + k).loadUnaligned(as: SIMD8<Float>.self)
      sum += SIMD8<Double>(p) * SIMD8<Double>(q)
      k += 8
    }
    var total = sum.sum()
    while k < x.columns {
      total += Double(a[k]) * Double(b[k])
      k += 1
    }
    return total
  }
  ctx.pool.run(x.rows) { i in norms[i] = Float(dot(x[i], x[i]).squareRoot()) }
  ctx.pool.run(x.rows) { i in
    var best = -Float.infinity
    for j in 0..<x.rows {
      let length = Double(norms[i]) * Double(norms[j])
      let similarity = length > 0 ? Float(dot(x[i], x[j]) / length) : 0
      // Earlier rows and the row itself get 2 subtracted: they count only where there is no later row.
      best = max(best, j <= i ? similarity - 2 : similarity)
    }
    largest[i] = best
  }
  try ctx.check()
  var order = Array(0..<x.rows)
  order.sort { largest[$0] != largest[$1] ? largest[$0] < largest[$1] : $0 < $1 }
  return order.prefix(count).sorted()
}
