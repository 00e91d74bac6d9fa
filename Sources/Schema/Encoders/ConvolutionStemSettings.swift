// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// Convolutions in place of a tower's patch embedding (arXiv:2106.14881); no widths: there are none.
package struct ConvolutionStemSettings: Settings {
  package static let scope = "stem"

  /// Channels of each stage, which halves the map.
  package var widths: [Int] = []
  /// Residual pairs of convolutions in each stage.
  package var depths: [Int] = []

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.ints(
      "widths", &widths, in: 1...4096, count: 0...8, isOptional: true,
      "Channels of the 3×3 convolutions of stride 2 that stand in place of the patch embedding.")
    try f.ints(
      "depths", &depths, in: 0...64, count: 1...8, when: .when(!widths.isEmpty, "there is `stem.widths`"),
      "Residual pairs of convolutions behind each of them.")
    try f.check(depths.count == widths.count, "depths", found: "\(depths.count) stages", expected: "\(widths.count), as many as `stem.widths`")
  }
}
