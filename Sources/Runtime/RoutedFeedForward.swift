// SPDX-License-Identifier: Apache-2.0
import Kernels
import WeightFile

/// SwiGLU feed-forward: contract(SiLU(gate) · up) (arXiv:2002.05202).
package struct GatedFeedForward {
  package let gateUp, contract: Linear  // hiddenSize → 2·intermediateSize (gate | up); intermediateSize → hiddenSize

  /// - Parameter w: scopes `gateUp` and `contract`.
  package init(_ w: Weights, hiddenSize: Int, intermediateSize: Int) throws(WeightFileError) {
    gateUp = try Linear(w["gateUp"], from: hiddenSize, to: 2 * intermediateSize)
    contract = try Linear(w["contract"], from: intermediateSize, to: hiddenSize)
  }

  init(gateUp: Linear, contract: Linear) {
    self.gateUp = gateUp
    self.contract = contract
  }

  package var byteCount: Int { gateUp.byteCount + contract.byteCount }

  /// - Parameters:
  ///   - x: rows made for `gateUp`.
  ///   - y: `[x.rows, hiddenSize]`, overwritten.
  package func callAsFunction(_ x: LinearInput, into y: Tensor, _ ctx: Context) throws(RuntimeError) {
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    try contract(gateUp.gated(x, for: contract, ctx), into: y, ctx)
  }
}

/// A mixture-of-experts feed-forward (Mixtral, arXiv:2401.04088 §2.1; DeepSeekMoE, arXiv:2401.06066 §3): each token is routed to a few of
/// many experts, and all tokens pass a shared one.
///
/// y = shared(x) + Σ weight_e · expert_e(x), summed in the order of experts: the same result for any number of threads and any batch of tokens. The
/// weights of experts that no token chose are not read.
package struct RoutedFeedForward {
  package let routing: ExpertRouting
  package let hiddenSize: Int
  private let router: Linear  // hiddenSize → experts
  private let experts: [GatedFeedForward]
  private let shared: GatedFeedForward?
  private let sharedGate: Linear?  // hiddenSize → 1: its sigmoid is the shared expert's factor (Qwen2-MoE)

  /// Most tokens that an expert takes at once, so that scratch memory does not grow with the prompt.
  private static let largestPart = 256

  /// - Parameters:
  ///   - w: `router`; `experts.gateUp` and `experts.contract`, matrices of all experts one after another; `shared`, if there is one, as
  ///     `GatedFeedForward`, and `shared.gate`, if it has one.
  ///   - intermediateSize: of a routed expert.
  ///   - sharedSize: of the shared expert; 0: there is none.
  package init(
    _ w: Weights, hiddenSize: Int, experts count: Int, intermediateSize: Int, sharedSize: Int, routing: ExpertRouting
  ) throws(WeightFileError) {
    self.routing = routing
    self.hiddenSize = hiddenSize
    router = try Linear(w["router"], from: hiddenSize, to: count)
    let gateUp = try w["experts"]["gateUp"].matrices("weight", count: count, outputs: 2 * intermediateSize, inputs: hiddenSize)
    let contract = try w["experts"]["contract"].matrices("weight", count: count, outputs: hiddenSize, inputs: intermediateSize)
    experts = zip(gateUp, contract).map { GatedFeedForward(gateUp: Linear($0), contract: Linear($1)) }
    shared = sharedSize > 0 ? try GatedFeedForward(w["shared"], hiddenSize: hiddenSize, intermediateSize: sharedSize) : nil
    let gate = w["shared"]["gate"]
    sharedGate = shared != nil && gate.has("weight") ? try Linear(gate, from: hiddenSize, to: 1) : nil
  }

  /// Bytes of weights that one token reads.
  package var bytesPerToken: Int {
    let routed = (experts.first?.byteCount ?? 0) * min(routing.expertsPerToken, experts.count)
    return router.byteCount + routed + (shared?.byteCount ?? 0) + (sharedGate?.byteCount ?? 0)
  }

  /// - Parameter x: `[tokens, hiddenSize]`, normed.
  /// - Returns: `[tokens, hiddenSize]`.
  package func callAsFunction(_ x: Tensor, _ ctx: Context) throws(RuntimeError) -> Tensor {
    guard x.columns == hiddenSize else { throw .shape(operation: "routed feed-forward", expected: hiddenSize, found: x.columns) }
    let y = try ctx.arena.tensor(x.rows, hiddenSize)
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    try addShared(x, to: y, ctx)
    let choices = try routing(router(x, ctx), ctx)
    let slots = try SlotsByExpert(choices.experts, count: x.rows &* routing.expertsPerToken, experts: experts.count, ctx)
    let part = try ctx.arena.tensor(min(x.rows, RoutedFeedForward.largestPart), hiddenSize)
    for (number, expert) in experts.enumerated() {
      let all = slots[number]
      if all.isEmpty { continue }
      try ctx.check()
      var first = all.lowerBound
      while first < all.upperBound {
        let range = first..<min(first + part.rows, all.upperBound)
        try add(expert, slots.order, range, choices.weights, x, to: y, part.slice(rows: 0..<range.count), ctx)
        first = range.upperBound
      }
    }
    return y
  }

  /// y += weight · expert(x) for the tokens of some slots.
  private func add(
    _ expert: GatedFeedForward, _ order: UnsafePointer<Int32>, _ range: Range<Int>, _ weights: UnsafePointer<Float>, _ x: Tensor,
    to y: Tensor, _ part: Tensor, _ ctx: Context
  ) throws(RuntimeError) {
    let (slots, perToken, size) = (order + range.lowerBound, routing.expertsPerToken, hiddenSize)
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    let input = try expert.gateUp.input(x, rows: range.count, place: { Int(slots[$0]) / perToken }, ctx)
    try expert(input, into: part, ctx)
    // A token has an expert once: no two rows write the same target.
    ctx.split(rows: range.count, cost: size) { rows in
      for row in rows {
        let slot = Int(slots[row])
        let (source, target, weight) = (part[row], y[slot / perToken], weights[slot])
        for k in 0..<size { target[k] += weight * source[k] }
      }
    }
  }

  /// y = shared(x), times its gate if it has one; zeros without a shared expert.
  private func addShared(_ x: Tensor, to y: Tensor, _ ctx: Context) throws(RuntimeError) {
    guard let shared else { return fill(y, with: 0, ctx) }
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    try shared(shared.gateUp.input(x, ctx), into: y, ctx)
    guard let sharedGate else { return }
    let gate = try sharedGate(x, ctx)
    ctx.split(rows: y.rows, cost: hiddenSize) { rows in
      for row in rows {
        let factor = sigmoid(gate[row][0])
        for k in 0..<hiddenSize { y[row][k] *= factor }
      }
    }
  }
}

/// The slots (token · experts per token + rank) of all choices, ordered by expert and then by number.
private struct SlotsByExpert {
  let order: UnsafePointer<Int32>
  /// `[experts + 1]`: where each expert's slots start.
  private let starts: UnsafeMutablePointer<Int>

  init(_ chosen: UnsafePointer<Int32>, count: Int, experts: Int, _ ctx: Context) throws(RuntimeError) {
    let order = try ctx.arena.array(of: Int32.self, count)
    let next = try ctx.arena.array(of: Int.self, experts + 1)
    starts = try ctx.arena.array(of: Int.self, experts + 1)
    starts.update(repeating: 0, count: experts + 1)
    // In a dry run `chosen` is not initialised and may hold any number.
    func expert(_ slot: Int) -> Int { min(Int(UInt32(bitPattern: chosen[slot])), experts - 1) }
    for slot in 0..<count { starts[expert(slot) + 1] &+= 1 }
    for e in 0..<experts { starts[e + 1] &+= starts[e] }
    next.update(from: starts, count: experts + 1)
    for slot in 0..<count {
      let place = next + expert(slot)
      order[place.pointee] = Int32(truncatingIfNeeded: slot)
      place.pointee &+= 1
    }
    self.order = UnsafePointer(order)
  }

  subscript(expert: Int) -> Range<Int> { starts[expert]..<starts[expert + 1] }
}
