// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// What `Settings.visit` runs over: the metadata of a file, from which values are read; a list of entries, to which they are written;
/// or a list of keys.
package struct Fields {
  private enum Mode {
    case reading(Metadata)
    case writing(file: String)
    case listing
  }

  private let mode: Mode
  private var scope: String
  private var conditions: [StaticString] = []
  /// What was written.
  package private(set) var entries: [(key: String, value: MetadataValue)] = []
  /// What was listed.
  package private(set) var keys: [Key] = []

  init(reading m: Metadata, scope: String) {
    mode = .reading(m)
    self.scope = scope
  }

  init(writing file: String, scope: String) {
    mode = .writing(file: file)
    self.scope = scope
  }

  init(listing scope: String) {
    mode = .listing
    self.scope = scope
  }

  /// The keys of another structure, in a scope inside this one.
  package mutating func part<Part: Settings>(
    _ part: inout Part, scope inner: String = Part.scope, when condition: Condition = .always
  ) throws(WeightFileError) {
    guard condition.holds || isListing else { return }
    let (outer, count) = (scope, conditions.count)
    scope = key(inner)
    if let text = condition.text { conditions.append(text) }
    defer {
      scope = outer
      conditions.removeLast(conditions.count - count)
    }
    try part.visit(&self)
  }

  /// A condition on values declared before; nothing is checked while keys are listed.
  package func check(
    _ holds: @autoclosure () -> Bool, _ name: StaticString, found: @autoclosure () -> String, expected: @autoclosure () -> String
  ) throws(WeightFileError) {
    guard !isListing, !holds() else { return }
    throw mismatch(key(name.description), found: found(), expected: expected())
  }

  // MARK: one key

  enum Found {
    case value(MetadataValue)
    /// Not in the file that is read, and optional there.
    case absent
    /// Nothing was read.
    case unread
  }

  /// Reads, writes or lists one key.
  /// - Parameter current: what to write; nil: nothing.
  @inline(never)
  mutating func field(
    _ name: StaticString, _ kind: MetadataValue.Kind, _ presence: Key.Presence, _ limits: Key.Limits, count: ClosedRange<Int>? = nil,
    _ condition: Condition, _ meaning: StaticString, current: MetadataValue?
  ) throws(WeightFileError) -> Found {
    let name = key(name.description)
    switch mode {
    case .listing:
      var all = conditions
      if let text = condition.text { all.append(text) }
      keys.append(
        Key(name: name, kind: kind, presence: presence, limits: limits, count: count, conditions: all, meaning: meaning))
      return .unread
    case .writing:
      guard condition.holds, let current else { return .unread }
      try check(current, name, limits, count)
      entries.append((name, current))
      return .unread
    case .reading(let m):
      guard condition.holds else { return .absent }
      if let value = try m.value(name, kind) {
        try check(value, name, limits, count)
        return .value(value)
      }
      switch presence {
      case .required: throw .missingMetadata(file: file, key: name)
      case .optional: return .absent
      case .fallback(let value): return .value(value)
      }
    }
  }

  private func check(_ value: MetadataValue, _ key: String, _ limits: Key.Limits, _ count: ClosedRange<Int>?) throws(WeightFileError) {
    if let count, let found = value.count, !count.contains(found) {
      throw mismatch(key, found: "a list of \(found)", expected: "a list of \(text(count))")
    }
    switch (value, limits) {
    case (.int(let x), .ints(let range)):
      guard range.contains(x) else {
        throw .metadataOutOfRange(file: file, key: key, value: x, low: range.lowerBound, high: range.upperBound)
      }
    case (.ints(let list), .ints(let range)):
      for x in list where !range.contains(x) {
        throw .metadataOutOfRange(file: file, key: key, value: x, low: range.lowerBound, high: range.upperBound)
      }
    case (.double(let x), .doubles(let range)):
      guard range.contains(x) else { throw mismatch(key, found: "\(x)", expected: "a number in \(text(range))") }
    case (.doubles(let list), .doubles(let range)):
      for x in list where !range.contains(x) { throw mismatch(key, found: "\(x)", expected: "numbers in \(text(range))") }
    case (.string(let spelling), .spellings(let known)): try check(Array(spelling.utf8), key, known)
    case (.strings(let list), .spellings(let known)): for x in list { try check(Array(x.utf8), key, known) }
    case (.byteStrings(let list), .spellings(let known)): for x in list { try check(x, key, known) }
    default: break
    }
  }

  private func check(_ spelling: [UInt8], _ key: String, _ known: [StaticString]) throws(WeightFileError) {
    guard known.contains(where: { $0.description.utf8.elementsEqual(spelling) }) else {
      throw mismatch(key, found: String(decoding: spelling, as: UTF8.self), expected: text(known))
    }
  }

  private func text(_ range: ClosedRange<Int>) -> String {
    range.lowerBound == range.upperBound ? "\(range.lowerBound)" : "\(range.lowerBound) … \(range.upperBound)"
  }
  private func text(_ range: ClosedRange<Double>) -> String { "\(range.lowerBound) … \(range.upperBound)" }

  /// `a, b or c`.
  private func text(_ choices: [StaticString]) -> String {
    var all = ""
    for (i, choice) in choices.enumerated() {
      all += (i == 0 ? "" : i == choices.count - 1 ? " or " : ", ") + choice.description
    }
    return all
  }

  func mismatch(_ key: String, found: String, expected: String) -> WeightFileError {
    .metadataMismatch(file: file, key: key, found: found, expected: expected)
  }

  func key(_ name: String) -> String { scope.isEmpty ? name : name.isEmpty ? scope : scope + "." + name }

  package var isListing: Bool { if case .listing = mode { true } else { false } }

  var isWriting: Bool { if case .writing = mode { true } else { false } }

  private var file: String {
    switch mode {
    case .reading(let m): m.file
    case .writing(let file): file
    case .listing: ""
    }
  }
}
