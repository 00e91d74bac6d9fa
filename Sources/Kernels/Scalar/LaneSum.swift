// SPDX-License-Identifier: Apache-2.0

/// Σ over a row in 64 lanes: element i belongs to lane i mod 64. A vector variant keeps them as four vectors of 16.
struct LaneSum {
  private var lanes = SIMD64<Float>()

  mutating func add(_ value: Float, at index: Int) { lanes[index & 63] += value }

  mutating func addProduct(_ a: Float, _ b: Float, at index: Int) {
    lanes[index & 63] = lanes[index & 63].addingProduct(a, b)
  }

  /// Halves 64 → 32 → … → 1, lane i always with lane i + half: four vectors become (v0 + v2) + (v1 + v3), then its 16 lanes fold.
  var total: Float {
    var folded = lanes
    var half = 32
    while half > 0 {
      for i in 0..<half { folded[i] += folded[i + half] }
      half >>= 1
    }
    return folded[0]
  }
}

/// Σ of exactly 16 lanes, folded 16 → 8 → 4 → 2 → 1.
func foldedSum(_ lanes: SIMD16<Float>) -> Float {
  var folded = lanes
  var half = 8
  while half > 0 {
    for i in 0..<half { folded[i] += folded[i + half] }
    half >>= 1
  }
  return folded[0]
}
