// SPDX-License-Identifier: Apache-2.0
import Families
import Foundation
import Schema
import Testing
import WeightFile

/// The table of keys in FORMAT.md.
enum KeyTable {
  /// Settings with the systems whose files have them; none: every file.
  static let parts: [(systems: [String], keys: [Key])] =
    [
      ([], GeneralSettings().keys()), ([], DecoderSettings().keys()), ([], PromptSettings().keys()), ([], TokenizerSettings().keys()),
    ] + SystemKind.all.map { ([$0.name.description], $0.keys()) }

  /// One line for each key, by name; a second where it means something else in another system.
  static func text() -> String {
    var rows: [(name: String, facts: String, systems: [String])] = []
    for part in parts {
      for key in part.keys {
        let facts = "\(type(key)) | \(range(key)) | \(absent(key)) | \(key.meaning)"
        if let i = rows.firstIndex(where: { $0.name == key.name && $0.facts == facts }) {
          rows[i].systems += part.systems.filter { !rows[i].systems.contains($0) }
        } else {
          rows.append((key.name, facts, part.systems))
        }
      }
    }
    rows.sort { $0.name < $1.name }
    let lines = rows.map { "| `\($0.name)` | \($0.facts) | \($0.systems.map { "`\($0)`" }.joined(separator: ", ")) |" }
    return (["| Key | Type | Range | Where absent | Meaning | Systems |", "|---|---|---|---|---|---|"] + lines).joined(separator: "\n")
  }

  private static func type(_ key: Key) -> String {
    let words = key.kind.name.description.split(separator: " ")
    return (["a", "an"].contains(words.first) ? Array(words.dropFirst()) : words).joined(separator: " ")
  }

  private static func range(_ key: Key) -> String {
    var text: String
    switch key.limits {
    case .any: text = ""
    case .ints(let r): text = "\(r.lowerBound) … \(r.upperBound)"
    case .doubles(let r): text = "\(r.lowerBound) … \(r.upperBound)"
    case .spellings(let all): text = all.map { "`\($0)`" }.joined(separator: ", ")
    }
    if let count = key.count {
      let many = count.lowerBound == count.upperBound ? "\(count.upperBound)" : "\(count.lowerBound) to \(count.upperBound)"
      text = "\(many) of \(text)"
    }
    return text
  }

  private static func absent(_ key: Key) -> String {
    let presence: String
    switch key.presence {
    case .required: presence = "refused"
    case .optional: presence = "none"
    case .fallback(.bool(let x)): presence = "\(x)"
    case .fallback(.int(let x)): presence = "\(x)"
    case .fallback(.double(let x)): presence = "\(x)"
    case .fallback(.string(let x)): presence = x.isEmpty ? "empty" : "`\(x)`"
    case .fallback: presence = "a default"
    }
    return key.conditions.isEmpty ? presence : presence + "; only if " + key.conditions.map(\.description).joined(separator: " and ")
  }
}

@Suite struct KeyTableTests {
  @Test func formatHasTheTable() throws {
    let text = try String(contentsOfFile: Samples.format, encoding: .utf8)
    let table = KeyTable.text()
    guard !text.contains(table) else { return }
    let path = NSTemporaryDirectory() + "fovea-keys.md"
    try table.write(toFile: path, atomically: true, encoding: .utf8)
    Issue.record("FORMAT.md's table of keys is not that of the declarations, which is now in \(path)")
  }
}
