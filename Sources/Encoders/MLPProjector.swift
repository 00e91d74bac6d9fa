// SPDX-License-Identifier: Apache-2.0
import Runtime
import Schema
import WeightFile

/// A projector from vision features to the decoder's width: one linear layer (`linear`), or two with an exact GELU
/// between (`mlp2x_gelu`, arXiv:2310.03744 §3.2). Layer names keep the checkpoint's indices 0 and 2.
package struct MLPProjector {
  let first: Linear
  let second: Linear?

  /// - Parameter w: scope with `0` and, for two layers, `2`.
  package init(_ w: Weights, from inputSize: Int, to outputSize: Int, layers: Int) throws(WeightFileError) {
    first = try Linear(w["0"], from: inputSize, to: outputSize)
    second = layers == 2 ? try Linear(w["2"], from: outputSize, to: outputSize) : nil
  }

  /// The projector that the file names.
  package init(_ w: Weights, _ s: ProjectorSettings, from inputSize: Int, to outputSize: Int) throws(WeightFileError) {
    try self.init(w, from: inputSize, to: outputSize, layers: s.kind == .linear ? 1 : 2)
  }

  /// `[tokens, inputSize]` → `[tokens, outputSize]`.
  package func callAsFunction(_ x: Tensor, _ ctx: Context) throws(RuntimeError) -> Tensor {
    let h = try first(x, ctx)
    guard let second else { return h }
    Activation.gelu(h, ctx)
    return try second(h, ctx)
  }
}
