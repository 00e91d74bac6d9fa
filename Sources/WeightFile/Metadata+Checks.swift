// SPDX-License-Identifier: Apache-2.0

/// How `Schema` reads keys.
extension Metadata {
  /// The value of `key` as this type; nil where it is absent. Lists of strings and of byte strings are interchangeable and returned as byte strings.
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

}

extension MetadataValue {
  /// Items of a list; nil for other values.
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
