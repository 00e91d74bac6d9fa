// SPDX-License-Identifier: Apache-2.0

/// A value in a chat template.
indirect enum JinjaValue {
  case undefined, none
  case bool(Bool)
  case int(Int)
  case string(String)
  case list([JinjaValue])
  case object([(key: String, value: JinjaValue)])
  /// `namespace(…)`: assignable inside loops.
  case space(JinjaSpace)
  /// The members of `loop`.
  case loop([String: JinjaValue])

  var isTrue: Bool {
    switch self {
    case .undefined, .none: false
    case .bool(let x): x
    case .int(let x): x != 0
    case .string(let x): !x.isEmpty
    case .list(let x): !x.isEmpty
    case .object(let x): !x.isEmpty
    case .space, .loop: true
    }
  }

  /// The printed text; nil for types that chat templates do not print.
  var text: String? {
    switch self {
    case .undefined: ""
    case .none: "None"
    case .bool(let x): x ? "True" : "False"
    case .int(let x): String(x)
    case .string(let x): x
    case .list, .object, .space, .loop: nil
    }
  }

  func member(_ name: String) -> JinjaValue {
    switch self {
    case .object(let members): members.last { $0.key == name }?.value ?? .undefined
    case .space(let space): space.values[name] ?? .undefined
    case .loop(let members): members[name] ?? .undefined
    default: .undefined
    }
  }

  static func == (a: JinjaValue, b: JinjaValue) -> Bool {
    switch (a, b) {
    case (.undefined, .undefined), (.none, .none): true
    case (.bool(let x), .bool(let y)): x == y
    case (.int(let x), .int(let y)): x == y
    case (.bool(let x), .int(let y)), (.int(let y), .bool(let x)): (x ? 1 : 0) == y
    case (.string(let x), .string(let y)): x.utf8.elementsEqual(y.utf8)
    case (.list(let x), .list(let y)): x.count == y.count && zip(x, y).allSatisfy { $0 == $1 }
    default: false
    }
  }
}

final class JinjaSpace {
  var values: [String: JinjaValue]
  init(_ values: [String: JinjaValue]) { self.values = values }
}

/// Why a template cannot be rendered, in a few words.
struct JinjaError: Error {
  let reason: String
  init(_ reason: String) { self.reason = reason }
}
