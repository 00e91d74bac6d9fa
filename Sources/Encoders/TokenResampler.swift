// SPDX-License-Identifier: Apache-2.0
import Runtime
import Shims
import WeightFile

/// TextMonkey's token resampler (arXiv:2403.04473 §3.2): of all tiles' tokens those are kept that resemble no later one, and they look
/// once at all of them, at a smaller width.
package struct TokenResampler {
  /// Tokens kept.
  package let kept: Int
  let down: Linear  // hiddenSize → size
  let normMedia, normLatents, norm: LayerNorm
  let query, keyValue, output: Linear  // size → size; → 2·size (k | v); → size
  let expand, contract: Linear  // size → size → hiddenSize
  let scale: Float
  let heads: Int

  package init(_ w: Weights, _ m: Metadata, hiddenSize: Int) throws(WeightFileError) {
    kept = try m.requireInt("monkey.keptTokens", in: 1...1_048_576)
    let size = w["down"].shape("weight")?.first ?? 1
    heads = try m.requireDivisor("monkey.tokenHeads", of: size, in: 1...1024)
    guard size / heads <= 256 else {
      throw m.mismatch("monkey.tokenHeads", found: "\(heads)", expected: "head size of at most 256")
    }
    down = try Linear(w["down"], from: hiddenSize, to: size)
    normMedia = try LayerNorm(w["normMedia"], size: size, epsilon: 1e-5)
    normLatents = try LayerNorm(w["normLatents"], size: size, epsilon: 1e-5)
    norm = try LayerNorm(w["norm"], size: size, epsilon: 1e-5)
    query = try Linear(w["attn.q"], from: size, to: size)
    keyValue = try Linear(w["attn.kv"], from: size, to: 2 * size)
    output = try Linear(w["attn.out"], from: size, to: size)
    expand = try Linear(w["mlp.expand"], from: size, to: size)
    contract = try Linear(w["mlp.contract"], from: size, to: hiddenSize)
    scale = try w["mlp"].vector("scale", count: 1)[0]
  }

  /// - Parameter x: `[tokens, hiddenSize]`.
  /// - Returns: `[min(kept, tokens), hiddenSize]`.
  package func callAsFunction(_ x: Tensor, _ ctx: Context) throws(RuntimeError) -> Tensor {
    let count = min(kept, x.rows)
    let latents = try ctx.arena.tensor(count, x.columns)
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    for (i, row) in try distinct(x, count, ctx).enumerated() { latents[i].update(from: x[row], count: x.columns) }

    let small = try down(x, ctx)
    let smallLatents = try normLatents(down(latents, ctx), ctx)
    let media = try ctx.arena.tensor(x.rows + count, small.columns)
    try normMedia(small, into: media.slice(rows: 0..<x.rows), ctx)
    media[x.rows].update(from: smallLatents.data, count: smallLatents.count)
    let seen = try crossAttention(query: query(smallLatents, ctx), keyValue: keyValue(media, ctx), batch: 1, heads: heads, ctx)
    let h = try expand(norm(output(seen, ctx), ctx), ctx)
    Activation.gelu(h, ctx)
    let o = try contract(h, ctx)
    for i in 0..<o.count { o.data[i] *= scale }
    add(o, to: latents, ctx)
    return latents
  }

  /// The `count` rows whose largest cosine similarity with a later row is smallest, in their order. The gaps between the largest are
  /// tiny, so norms and products are summed in f64.
  private func distinct(_ x: Tensor, _ count: Int, _ ctx: Context) throws(RuntimeError) -> [Int] {
    if count == x.rows { return Array(0..<count) }
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
        // Earlier rows and the row itself stand two lower: they count only where there is no later one.
        best = max(best, j <= i ? similarity - 2 : similarity)
      }
      largest[i] = best
    }
    var order = Array(0..<x.rows)
    order.sort { largest[$0] != largest[$1] ? largest[$0] < largest[$1] : $0 < $1 }
    return order.prefix(count).sorted()
  }
}
