// SPDX-License-Identifier: Apache-2.0

/// A value of the metadata section.
package enum MetadataValue: Equatable, Sendable {
  case bool(Bool)
  case int(Int)
  case double(Double)
  case string(String)
  case bytes([UInt8])
  case ints([Int])
  case doubles([Double])
  case strings([String])
  /// Like `strings`, but any bytes: the pieces of a byte-level vocabulary need not be UTF-8.
  case byteStrings([[UInt8]])

  /// The types' numbers in the file, which never change.
  package enum Kind: UInt32, Sendable {
    case bool = 1
    case int, double, string, bytes, ints, doubles, strings, byteStrings

    package var name: StaticString {
      switch self {
      case .bool: "a bool"
      case .int: "an integer"
      case .double: "a double"
      case .string: "a string"
      case .bytes: "bytes"
      case .ints: "a list of integers"
      case .doubles: "a list of doubles"
      case .strings: "a list of strings"
      case .byteStrings: "a list of byte strings"
      }
    }
  }

  package var kind: Kind {
    switch self {
    case .bool: .bool
    case .int: .int
    case .double: .double
    case .string: .string
    case .bytes: .bytes
    case .ints: .ints
    case .doubles: .doubles
    case .strings: .strings
    case .byteStrings: .byteStrings
    }
  }

  /// The value's bytes as FORMAT.md §4 lays them out.
  func encoded() -> [UInt8] {
    var bytes: [UInt8] = []
    func append(_ item: some Collection<UInt8>) {
      bytes.append(u32: UInt32(item.count))
      bytes.append(contentsOf: item)
    }
    switch self {
    case .bool(let value): bytes.append(value ? 1 : 0)
    case .int(let value): bytes.append(u64: UInt64(bitPattern: Int64(value)))
    case .double(let value): bytes.append(u64: value.bitPattern)
    case .string(let value): bytes.append(contentsOf: value.utf8)
    case .bytes(let value): bytes.append(contentsOf: value)
    case .ints(let values): for value in values { bytes.append(u64: UInt64(bitPattern: Int64(value))) }
    case .doubles(let values): for value in values { bytes.append(u64: value.bitPattern) }
    case .strings(let values): for value in values { append(value.utf8) }
    case .byteStrings(let values): for value in values { append(value) }
    }
    return bytes
  }
}
