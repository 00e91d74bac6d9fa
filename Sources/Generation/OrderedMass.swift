// SPDX-License-Identifier: Apache-2.0

/// The candidates that stand before a place in order of falling logit, the lower id first among equals, and their weights. Nothing is sorted: each
/// question reads the vocabulary once, in blocks whose sums are f32 in 8 lanes, then f64.
struct OrderedMass {
  private let logits, weights: UnsafeMutablePointer<Float>
  private let count: Int
  /// The place; −∞ and an id past the last: all stand before it.
  private var logit = -Float.infinity
  private var id: Int

  /// - Parameter weights: 0 for what is no candidate.
  init(_ logits: UnsafeMutablePointer<Float>, _ weights: UnsafeMutablePointer<Float>, count: Int) {
    (self.logits, self.weights, self.count) = (logits, weights, count)
    id = count
  }

  /// From now on only what stands before candidate `id`.
  mutating func end(before id: Int) { (logit, self.id) = (logits[id], id) }

  @inline(__always)
  private func stands(_ i: Int) -> Bool { logits[i] > logit || (logits[i] == logit && i < id) }

  /// Σ weights.
  func mass() -> Double {
    var (sum, start) = (0.0, 0)
    while start < count {
      sum += blockMass(start)
      start &+= Block.size
    }
    return sum
  }

  /// The candidate, in order of ids, with which the sum of weights exceeds `goal`; where rounding keeps it below, the last one.
  func candidate(at goal: Double) -> Int {
    var (sum, start, last) = (0.0, 0, 0)
    while start < count {
      let mass = blockMass(start)
      if mass > 0 { last = start }
      if sum + mass > goal { break }
      sum += mass
      start &+= Block.size
    }
    var found = last
    for i in last..<min(last + Block.size, count) where weights[i] > 0 && stands(i) {
      found = i
      sum += Double(weights[i])
      if sum > goal { break }
    }
    return found
  }

  /// The ids, ascending, of the shortest prefix in order that holds `goal`; without what has no weight.
  func prefix(holding goal: Double) -> [Int32] {
    let ids = (0..<count).filter { weights[$0] > 0 && stands($0) }
    guard goal.isFinite else { return ids.map { Int32(truncatingIfNeeded: $0) } }
    // Ascending as the order.
    var keys = ids.map { ~LargestCandidates.key(logits[$0], $0) }
    let last = WeightedSelection.last(&keys, goal: goal) { Double(weights[LargestCandidates.id(~$0)]) }
    return ids.filter { ~LargestCandidates.key(logits[$0], $0) <= last }.map { Int32(truncatingIfNeeded: $0) }
  }

  /// Σ weights of a block.
  @inline(__always)
  private func blockMass(_ start: Int) -> Double {
    let end = start &+ Block.size
    if end <= count {
      // Ids before the place's: equals stand too.
      if end <= id { return blockMass(start) { $0 .>= logit } }
      if start >= id { return blockMass(start) { $0 .> logit } }
    }
    var sum = 0.0
    for i in start..<min(end, count) where stands(i) { sum += Double(weights[i]) }
    return sum
  }

  @inline(__always)
  private func blockMass(_ start: Int, where stands: (SIMD8<Float>) -> SIMDMask<SIMD8<Int32>>) -> Double {
    let (x, w) = (UnsafeRawPointer(logits + start), UnsafeRawPointer(weights + start))
    var lanes = SIMD8<Float>()
    var offset = 0
    while offset < 4 &* Block.size {
      let weight = w.loadUnaligned(fromByteOffset: offset, as: SIMD8<Float>.self)
      // NaN is no candidate: its weight is 0.
      lanes += weight.replacing(with: 0, where: .!stands(x.loadUnaligned(fromByteOffset: offset, as: SIMD8<Float>.self)))
      offset &+= 32
    }
    return SIMD8<Double>(lanes).sum()
  }
}
