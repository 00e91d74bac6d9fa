// SPDX-License-Identifier: Apache-2.0

/// What errors of a matrix's weights count, from what was measured of its inputs.
package struct InputImportance: Sendable {
  /// For each input, their mean about 1.
  let weights: [Float]
  /// How errors of different inputs make up for each other, where that was measured.
  let feedback: ErrorFeedback?

  /// An input that was silent in the calibration may speak elsewhere: it counts as much as one of a hundredth of the mean power.
  private static let floor: Float = 0.01

  /// - Parameters:
  ///   - meanSquares: of each input, finite, not negative.
  ///   - moments: the mean of xᵀx; nil: not known.
  ///   - damping: see `ErrorFeedback`.
  package init(meanSquares: [Float], moments: [Float]? = nil, damping: Double = 0.01) {
    let mean = meanSquares.reduce(0) { $0 + Double($1) } / Double(max(meanSquares.count, 1))
    // Inputs that were all zero say nothing of each other.
    weights = meanSquares.map { mean > 1e-30 ? max(Float(Double($0) / mean), Self.floor) : 1 }
    feedback = moments.flatMap { ErrorFeedback(moments: $0, inputs: meanSquares.count, damping: damping) }
  }

  /// nil where nothing is known of the matrix.
  init?(_ file: ImportanceFile?, of matrix: String, usesMoments: Bool) throws {
    guard let file, let squares = try file.meanSquares(of: matrix) else { return nil }
    self.init(meanSquares: squares, moments: usesMoments ? try file.moments(of: matrix) : nil)
  }
}
