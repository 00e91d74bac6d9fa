// SPDX-License-Identifier: Apache-2.0
import Runtime
import Schema
import WeightFile

/// The feed-forward branch of a LLaMA-type block: SwiGLU, or a mixture of them.
enum FeedForward {
  case dense(GatedFeedForward)
  case routed(RoutedFeedForward)

  /// - Parameters:
  ///   - w: the scope `mlp`: `gateUp` and `contract`, or `router`, `experts` and `shared`.
  ///   - mixture: the block's mixture of experts; nil: none.
  init(_ w: Weights, _ c: LlamaSettings, _ mixture: MixtureSettings?) throws(WeightFileError) {
    guard let mixture else {
      self = .dense(try GatedFeedForward(w, hiddenSize: c.hiddenSize, intermediateSize: c.intermediateSize))
      return
    }
    self = .routed(
      try RoutedFeedForward(
        w, hiddenSize: c.hiddenSize, experts: mixture.experts, intermediateSize: mixture.expertSize, sharedSize: mixture.sharedSize,
        routing: ExpertRouting(mixture)))
  }

  /// Bytes of weights that one token reads.
  var bytesPerToken: Int {
    switch self {
    case .dense(let mlp): mlp.byteCount
    case .routed(let mixture): mixture.bytesPerToken
    }
  }

  /// x += branch(norm(x)).
  /// - Parameter x: `[tokens, hiddenSize]`.
  func callAsFunction(_ norm: RMSNorm, addingTo x: Tensor, _ ctx: Context) throws(RuntimeError) {
    switch self {
    case .dense(let mlp):
      try mlp.contract(mlp.gateUp.gated(norm(x, for: mlp.gateUp, ctx), for: mlp.contract, ctx), addingTo: x, ctx)
    case .routed(let mixture):
      add(try mixture(norm(x, ctx), ctx), to: x, ctx)
    }
  }
}

extension ExpertRouting {
  init(_ s: MixtureSettings) {
    self.init(
      scores: s.scores == .softmax ? .softmax : .sigmoid, expertsPerToken: s.expertsPerToken, renormalises: s.renormalises, scale: Float(s.scale))
  }
}
