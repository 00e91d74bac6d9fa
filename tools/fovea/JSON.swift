// SPDX-License-Identifier: Apache-2.0

/// JSON for output, as of `--json`. Members keep their order.
enum JSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  case null
  case bool(Bool)
  case int(Int)
  case double(Double)
  case string(String)
  case array([JSON])
  case object([(String, JSON)])
  /// A value that is JSON text already.
  case written(String)

  init(stringLiteral value: String) { self = .string(value) }
  init(integerLiteral value: Int) { self = .int(value) }
  init(floatLiteral value: Double) { self = .double(value) }
  init(booleanLiteral value: Bool) { self = .bool(value) }
  init(arrayLiteral elements: JSON...) { self = .array(elements) }
  init(dictionaryLiteral elements: (String, JSON)...) { self = .object(elements) }

  static func int(_ value: UInt64) -> JSON { .int(Int(clamping: value)) }
  static func int(_ value: Int32) -> JSON { .int(Int(value)) }
  /// Three decimal places: enough for seconds, rates and fractions.
  static func rounded(_ value: Double) -> JSON { .double((value * 1000).rounded() / 1000) }

  /// An object with another's members appended.
  func appending(_ other: JSON) -> JSON {
    guard case .object(let own) = self, case .object(let more) = other else { return self }
    return .object(own + more)
  }

  /// Indented text.
  func text(indent: String = "") -> String {
    switch self {
    case .null: return "null"
    case .bool(let x): return x ? "true" : "false"
    case .int(let x): return "\(x)"
    case .double(let x): return x.isFinite ? "\(x)" : "null"
    case .string(let x): return JSON.quoted(x)
    case .written(let x): return x
    case .array(let items):
      guard items.contains(where: \.isNested) else {
        return "[" + items.map { $0.text() }.joined(separator: ", ") + "]"
      }
      return "[\n" + items.map { "\(indent)  \($0.text(indent: indent + "  "))" }.joined(separator: ",\n") + "\n\(indent)]"
    case .object(let members):
      guard !members.isEmpty else { return "{}" }
      let lines = members.map { "\(indent)  \(JSON.quoted($0)): \($1.text(indent: indent + "  "))" }
      return "{\n" + lines.joined(separator: ",\n") + "\n\(indent)}"
    }
  }

  /// In one line, for files of records.
  var line: String {
    switch self {
    case .array(let items): return "[" + items.map(\.line).joined(separator: ", ") + "]"
    case .object(let members): return "{" + members.map { "\(JSON.quoted($0)): \($1.line)" }.joined(separator: ", ") + "}"
    default: return text()
    }
  }

  private var isNested: Bool {
    switch self {
    case .array, .object: true
    default: false
    }
  }

  private static func quoted(_ text: String) -> String {
    var out = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": out += "\\\(scalar)"
      case "\n": out += "\\n"
      case "\t": out += "\\t"
      case "\r": out += "\\r"
      // Beyond what JSON requires: terminal control and bidirectional characters.
      case "\0"..."\u{1F}", "\u{7F}"..."\u{9F}", "\u{200E}", "\u{200F}", "\u{2028}"..."\u{202E}", "\u{2066}"..."\u{2069}":
        let digits = String(scalar.value, radix: 16)
        out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out + "\""
  }
}
