// SPDX-License-Identifier: Apache-2.0

/// Weights of a matrix's quantisation errors, from the measured statistics of its inputs.
package struct InputImportance: Sendable {
  /// One per input, with a mean of about 1.
  let weights: [Float]
  /// Error feedback across inputs, where their moments were measured.
  let feedback: ErrorFeedback?

  /// Minimum weight, relative to the mean: an input that was inactive in the calibration may be active elsewhere.
  private static let floor: Float = 0.01

  /// - Parameters:
  ///   - meanSquares: one per input, finite, not negative.
  ///   - moments: the mean of xᵀx; nil: not measured.
  package init(meanSquares: [Float], moments: [Float]? = nil) {
    let mean = meanSquares.reduce(0) { $0 + Double($1) } / Double(max(meanSquares.count, 1))
    // If all inputs were zero, weights are uniform.
    weights = meanSquares.map { mean > 1e-30 ? max(Float(Double($0) / mean), Self.floor) : 1 }
    feedback = moments.flatMap { ErrorFeedback(moments: $0, inputs: meanSquares.count) }
  }

  /// nil where the file has nothing for the matrix.
  package init?(_ file: ImportanceFile?, of matrix: String, usesMoments: Bool) throws {
    guard let file, let squares = try file.meanSquares(of: matrix) else { return nil }
    self.init(meanSquares: squares, moments: usesMoments ? try file.moments(of: matrix) : nil)
  }
}
