// SPDX-License-Identifier: Apache-2.0

/// Error of packed weights x̂ against the weights x.
package struct PackingError: Sendable {
  /// Σ (x − x̂)² and Σ x².
  package private(set) var squared = 0.0, power = 0.0
  /// Σ w(x − x̂)² and Σ wx², w the importance of each input.
  package private(set) var weightedSquared = 0.0, weightedPower = 0.0
  /// Error of the matrix's outputs, E[((x − x̂)·a)²] summed over its rows, and their power E[(x·a)²], where error feedback was used.
  package var outputs: (squared: Double, power: Double) = (0, 0)
  /// The largest |x − x̂|.
  package private(set) var largest: Float = 0

  package init() {}

  /// √(Σ(x − x̂)² / Σx²); 0 for lossless encodings.
  package var relative: Double { power > 0 ? (squared / power).squareRoot() : 0 }
  /// The same, weighted by the effect on the outputs, as far as known: from error feedback, else by the inputs' importance.
  package var weightedRelative: Double {
    if outputs.power > 0 { return (outputs.squared / outputs.power).squareRoot() }
    return weightedPower > 0 ? (weightedSquared / weightedPower).squareRoot() : 0
  }

  package static func += (total: inout PackingError, part: PackingError) {
    total.squared += part.squared
    total.power += part.power
    total.weightedSquared += part.weightedSquared
    total.weightedPower += part.weightedPower
    total.outputs += part.outputs
    total.largest = max(total.largest, part.largest)
  }

  /// Adds up to some thousand weights of a row.
  @inline(__always)
  mutating func add(count: Int, _ pair: (Int) -> (x: Float, packed: Float, importance: Float)) {
    var (squared, power): (Float, Float) = (0, 0)
    var (weightedSquared, weightedPower): (Float, Float) = (0, 0)
    for i in 0..<count {
      let (x, packed, importance) = pair(i)
      let rest = x - packed
      squared += rest * rest
      power += x * x
      weightedSquared += importance * (rest * rest)
      weightedPower += importance * (x * x)
      largest = max(largest, abs(rest))
    }
    self.squared += Double(squared)
    self.power += Double(power)
    self.weightedSquared += Double(weightedSquared)
    self.weightedPower += Double(weightedPower)
  }
}

/// Sums of pairs.
func += (total: inout (squared: Double, power: Double), part: (squared: Double, power: Double)) {
  total.squared += part.squared
  total.power += part.power
}
