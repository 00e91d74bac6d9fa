// SPDX-License-Identifier: Apache-2.0
import Runtime
import WeightFile

/// LoRA adapter: scale · B(A(x)) (arXiv:2106.09685; the scale is learned, there is no alpha). It is not merged into the base weights, since
/// tiles with different adapters share them.
struct LowRankAdapter {
  let down, up: Linear  // inputs → rank → outputs
  let scale: Float

  /// - Parameter w: scope with `down.weight` `[rank, inputs]`, `up.weight` `[outputs, rank]` and `scale` `[1]`.
  init(_ w: Weights, from inputs: Int, to outputs: Int) throws(WeightFileError) {
    // If the shape is missing, Linear throws an error that names the tensor.
    let rank = w["down"].shape("weight")?.first ?? 1
    down = try Linear(w["down"], from: inputs, to: rank)
    up = try Linear(w["up"], from: rank, to: outputs)
    scale = try w.vector("scale", count: 1)[0]
  }

  /// - Parameters:
  ///   - x: `[tokens, inputs]`.
  ///   - y: `[tokens, outputs]`, increased; not overlapping `x`.
  func callAsFunction(_ x: Tensor, addingTo y: Tensor, _ ctx: Context) throws(RuntimeError) {
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    let h = try down(x, ctx)
    multiply(h, by: scale, ctx)
    add(try up(h, ctx), to: y, ctx)
  }
}
