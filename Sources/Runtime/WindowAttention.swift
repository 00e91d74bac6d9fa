// SPDX-License-Identifier: Apache-2.0
import Shims

/// Softmax(q·kᵀ / √headSize + bias + mask)·v within each window of a cut grid (arXiv:2103.14030 §3.2); the mask is −100 between cells of
/// different regions (`Windows`). Sums run in the order of the formula, in f32.
/// - Parameters:
///   - qkv: `[windows.count·side², 3·size]`, a row is q | k | v; size is a multiple of `heads`.
///   - bias: `[(2·side − 1)², heads]`, by the difference of the rows and of the columns of query and key, each from 1 − side on.
/// - Returns: `[windows.count·side², size]`.
package func windowAttention(qkv: Tensor, heads: Int, windows: Windows, bias: TensorView, _ ctx: Context) throws(RuntimeError) -> Tensor {
  guard heads > 0, qkv.columns % (3 * heads) == 0 else { throw .shape(operation: "window attention heads", expected: heads, found: qkv.columns) }
  let (side, places, size) = (windows.side, windows.side * windows.side, qkv.columns / 3)
  guard qkv.rows == windows.count * places else {
    throw .shape(operation: "window attention rows", expected: windows.count * places, found: qkv.rows)
  }
  guard bias.columns == heads, bias.rows == (2 * side - 1) * (2 * side - 1) else {
    throw .shape(operation: "window attention bias", expected: heads, found: bias.columns)
  }
  let headSize = size / heads
  let y = try ctx.arena.tensor(qkv.rows, size)
  let mark = ctx.arena.mark()
  defer { ctx.arena.release(to: mark) }
  // A row of scores and the transposed keys for each item of work.
  let items = windows.count * heads
  let scratch = try ctx.arena.tensor(items, places * (1 + headSize))
  let unit = 1 / Float(headSize).squareRoot()
  ctx.pool.run(items) { item in
    let (w, head) = item.quotientAndRemainder(dividingBy: heads)
    let scores = scratch[item]
    let keys = scores + places  // [headSize][places]
    for j in 0..<places {
      let key = qkv[w * places + j] + size + head * headSize
      for k in 0..<headSize { keys[k * places + j] = key[k] }
    }
    for i in 0..<places {
      let query = qkv[w * places + i] + head * headSize
      let own = windows.region(window: w, cell: i)
      for j in 0..<places {
        let difference = (i / side - j / side + side - 1) * (2 * side - 1) + i % side - j % side + side - 1
        scores[j] = bias[difference][head] + (windows.region(window: w, cell: j) == own ? 0 : -100)
      }
      for k in 0..<headSize {
        let (q, line) = (query[k] * unit, keys + k * places)
        for j in 0..<places { scores[j] += q * line[j] }
      }
      ctx.kernels.softmax(scores, places)
      let target = y[w * places + i] + head * headSize
      target.update(repeating: 0, count: headSize)
      for j in 0..<places {
        let (p, value) = (scores[j], qkv[w * places + j] + 2 * size + head * headSize)
        for k in 0..<headSize { target[k] += p * value[k] }
      }
    }
  }
  return y
}
