// SPDX-License-Identifier: Apache-2.0

/// What `Schema` reads keys by.
extension Metadata {
  /// The value of `key` as this type; nil where it is absent. Lists of strings and of byte strings stand for each other and come as bytes.
  /// - Throws: `.wrongMetadataType`.
  package func value(_ key: String, _ kind: MetadataValue.Kind) throws(WeightFileError) -> MetadataValue? {
    switch kind {
    case .strings, .byteStrings:
      if let texts = byteStrings(key) { return .byteStrings(texts) }
    default: break
    }
    guard let value = value(key) else { return nil }
    guard value.kind == kind else { throw .wrongMetadataType(file: file, key: key, expected: kind.name, found: value.kind.name) }
    return value
  }

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

extension MetadataValue {
  /// Items of a list; nil for what is none.
  package var count: Int? {
    switch self {
    case .ints(let list): list.count
    case .doubles(let list): list.count
    case .strings(let list): list.count
    case .byteStrings(let list): list.count
    default: nil
    }
  }
}
