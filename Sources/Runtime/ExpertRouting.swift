// SPDX-License-Identifier: Apache-2.0
import Kernels
import Shims

/// How a mixture of experts chooses the experts of a token from the router's logits.
package struct ExpertRouting: Sendable {
  package enum Scores: Sendable {
    /// Over all experts: Mixtral, Qwen2-MoE, DeepSeek-V2.
    case softmax
    /// Element-wise: DeepSeek-V3.
    case sigmoid
  }

  package var scores: Scores
  /// Experts of a token: those of the highest scores, of equals the first.
  package var expertsPerToken: Int
  /// Whether the chosen scores are divided by their sum.
  package var renormalises: Bool
  /// Factor of the chosen scores, applied last.
  package var scale: Float

  package init(scores: Scores = .softmax, expertsPerToken: Int, renormalises: Bool, scale: Float = 1) {
    self.scores = scores
    self.expertsPerToken = expertsPerToken
    self.renormalises = renormalises
    self.scale = scale
  }

  /// The choices of some tokens, in the arena: token t's experts and their weights at t · expertsPerToken, by falling score.
  struct Choices {
    let experts: UnsafeMutablePointer<Int32>
    let weights: UnsafeMutablePointer<Float>
  }

  /// - Parameter logits: `[tokens, experts]`, overwritten; at least `expertsPerToken` columns.
  func callAsFunction(_ logits: Tensor, _ ctx: Context) throws(RuntimeError) -> Choices {
    guard expertsPerToken > 0, expertsPerToken <= logits.columns else {
      throw .shape(operation: "experts of a token", expected: logits.columns, found: expertsPerToken)
    }
    let choices = Choices(
      experts: try ctx.arena.array(of: Int32.self, logits.rows, expertsPerToken),
      weights: try ctx.arena.array(of: Float.self, logits.rows, expertsPerToken))
    ctx.split(rows: logits.rows, cost: logits.columns &* (expertsPerToken &+ 1)) { rows in
      for row in rows {
        let start = row &* expertsPerToken
        choose(logits[row], logits.columns, choices.experts + start, choices.weights + start, ctx.kernels)
      }
    }
    return choices
  }

  private func choose(
    _ logits: UnsafeMutablePointer<Float>, _ count: Int, _ experts: UnsafeMutablePointer<Int32>, _ weights: UnsafeMutablePointer<Float>,
    _ kernels: KernelTable
  ) {
    switch scores {
    case .softmax: kernels.softmax(logits, count)
    case .sigmoid: for i in 0..<count { logits[i] = sigmoid(logits[i]) }
    }
    var sum: Float = 0
    for rank in 0..<expertsPerToken {
      // Each expert once, whatever the scores are: NaN compares with nothing.
      let chosen = UnsafeBufferPointer(start: experts, count: rank)
      var best: Int?
      for i in 0..<count where best.map({ logits[i] > logits[$0] }) ?? true {
        if !chosen.contains(Int32(truncatingIfNeeded: i)) { best = i }
      }
      guard let best else { return }
      experts[rank] = Int32(truncatingIfNeeded: best)
      weights[rank] = logits[best]
      sum += logits[best]
    }
    let factor = renormalises ? scale / (sum + 1e-20) : scale
    for rank in 0..<expertsPerToken { weights[rank] *= factor }
  }
}

func sigmoid(_ x: Float) -> Float { 1 / (1 + expf(-x)) }
