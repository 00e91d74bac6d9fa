// SPDX-License-Identifier: Apache-2.0

/// A JSON value. Object members keep their order, and keys are compared byte by byte: Swift's `String` equality would equate composed and
/// decomposed letters of a vocabulary.
package enum JSONValue {
  case null
  case bool(Bool)
  case int(Int64)
  case double(Double)
  case string(String)
  case array([JSONValue])
  case object([(key: String, value: JSONValue)])

  /// The last member of that name (as Python reads duplicates), nil when absent, null or not an object.
  package subscript(key: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    guard let found = members.last(where: { $0.key.utf8.elementsEqual(key.utf8) })?.value else { return nil }
    if case .null = found { return nil }
    return found
  }

  package var string: String? { if case .string(let s) = self { s } else { nil } }
  package var bool: Bool? { if case .bool(let b) = self { b } else { nil } }
  package var int: Int? { if case .int(let i) = self { Int(exactly: i) } else { nil } }
  package var double: Double? {
    switch self {
    case .double(let d): d
    case .int(let i): Double(i)
    default: nil
    }
  }
  package var array: [JSONValue]? { if case .array(let a) = self { a } else { nil } }
  package var members: [(key: String, value: JSONValue)]? { if case .object(let m) = self { m } else { nil } }
}

extension JSONValue {
  /// Reads a whole JSON file.
  package static func read(_ path: String) throws -> JSONValue {
    let file = try MappedFile(path: path)
    return try file.withBytes { try JSONParser.parse($0, file: file.name) }
  }

  package static func parse(_ text: String, file: String) throws -> JSONValue {
    try Array(text.utf8).withUnsafeBytes { try JSONParser.parse($0, file: file) }
  }
}
