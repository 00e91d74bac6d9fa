// SPDX-License-Identifier: Apache-2.0

/// Checks that a model makes of the numbers it is built from.
extension Metadata {
  /// An integer in `range` that divides `whole` without rest.
  package func requireDivisor(_ key: String, of whole: Int, in range: ClosedRange<Int>) throws(WeightFileError) -> Int {
    let value = try requireInt(key, in: range)
    guard whole % value == 0 else { throw mismatch(key, found: "\(value)", expected: "a divisor of \(whole)") }
    return value
  }

  /// The error for a value of the right type that no reader can use.
  package func mismatch(_ key: String, found: String, expected: String) -> WeightFileError {
    .metadataMismatch(file: file, key: key, found: found, expected: expected)
  }
}
