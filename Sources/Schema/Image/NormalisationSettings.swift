// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// The statistics that an encoder was trained with.
package struct NormalisationSettings: Settings {
  package static let scope = "vision"

  /// Of red, green and blue, in units of 255.
  package var mean = [0.0, 0, 0], std = [1.0, 1, 1]

  package init() {}
  package init(mean: [Double], std: [Double]) {
    self.mean = mean
    self.std = std
  }

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.doubles("mean", &mean, in: -1000...1000, count: 3...3, "Means of red, green and blue, 1 being white.")
    try f.doubles("std", &std, in: 1e-30...1e30, count: 3...3, "Standard deviations of red, green and blue.")
  }
}
