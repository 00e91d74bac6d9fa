// SPDX-License-Identifier: Apache-2.0

/// Probability mass of the candidates before a given one, in order of descending logit, lower id first among equals. Nothing is sorted:
/// each query reads the vocabulary once, in blocks summed as f32 in 8 lanes, then f64.
struct CumulativeProbability {
  private let logits, weights: UnsafeMutablePointer<Float>
  private let count: Int
  /// Logit and id of the exclusive end; −∞ and an id past the last: all candidates.
  private var logit = -Float.infinity
  private var id: Int

  /// - Parameter weights: unnormalised probabilities; 0 for tokens that are no candidates.
  init(_ logits: UnsafeMutablePointer<Float>, _ weights: UnsafeMutablePointer<Float>, count: Int) {
    (self.logits, self.weights, self.count) = (logits, weights, count)
    id = count
  }

  /// Restricts to the candidates before `id`.
  mutating func end(before id: Int) { (logit, self.id) = (logits[id], id) }

  @inline(__always)
  private func stands(_ i: Int) -> Bool { logits[i] > logit || (logits[i] == logit && i < id) }

  /// Sum of the weights.
  func mass() -> Double {
    var (sum, start) = (0.0, 0)
    while start < count {
      sum += blockMass(start)
      start &+= Block.size
    }
    return sum
  }

  /// The first candidate, by ascending id, at which the cumulative weight exceeds `goal`; the last one where rounding keeps it below.
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

  /// Ids, ascending, of the shortest prefix whose weights reach `goal`, without those of weight 0.
  func prefix(holding goal: Double) -> [Int32] {
    let ids = (0..<count).filter { weights[$0] > 0 && stands($0) }
    guard goal.isFinite else { return ids.map { Int32(truncatingIfNeeded: $0) } }
    // Complemented keys: ascending is the order of candidates.
    var keys = ids.map { ~LargestCandidates.key(logits[$0], $0) }
    let last = WeightedSelection.last(&keys, goal: goal) { Double(weights[LargestCandidates.id(~$0)]) }
    return ids.filter { ~LargestCandidates.key(logits[$0], $0) <= last }.map { Int32(truncatingIfNeeded: $0) }
  }

  /// Sum of the weights of a block.
  @inline(__always)
  private func blockMass(_ start: Int) -> Double {
    let end = start &+ Block.size
    if end <= count {
      // All ids are below the end's, so equal logits are before it.
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
      // NaN compares false, so its weight counts as 0.
      lanes += weight.replacing(with: 0, where: .!stands(x.loadUnaligned(fromByteOffset: offset, as: SIMD8<Float>.self)))
      offset &+= 32
    }
    return SIMD8<Double>(lanes).sum()
  }
}
