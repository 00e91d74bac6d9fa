// SPDX-License-Identifier: Apache-2.0
import Constraints

/// A vocabulary of all bytes, of some longer texts, and of an end token.
struct Vocabulary {
  let texts: [[UInt8]]
  let trie: TokenTrie
  var end: Int32 { Int32(texts.count) }

  init(_ longer: [String] = [], bytes: [UInt8] = Array(0...255), parts: [[UInt8]] = []) throws {
    let all = bytes.map { [$0] } + longer.map { Array($0.utf8) } + parts
    texts = all
    trie = try TokenTrie(vocabulary: all.count + 1, bounds: ConstraintBounds()) { id, out in
      guard Int(id) < all.count else { return .none }
      out += all[Int(id)]
      return .text
    }
  }

  func constraint(_ kind: Constraint.Kind, _ text: String, cacheLimit: Int = 8 << 20) throws(ConstraintError) -> Constraint {
    try Constraint(kind, Array(text.utf8), trie, emptyFirstTokenIsTaken: true, cacheLimit: cacheLimit, bounds: ConstraintBounds())
  }

  /// The ids that may come next.
  func allowed(_ constraint: Constraint) throws -> [Int32] {
    var logits = [Float](repeating: 0, count: texts.count + 1)
    try logits.withUnsafeMutableBufferPointer { try constraint.mask($0, endIds: [end]) }
    return (0...end).filter { logits[Int($0)] == 0 }
  }
}

/// Whether a constraint takes a text as a whole.
func takes(_ constraint: Constraint, _ text: String) throws -> Bool {
  try constraint.begin(ConstraintBounds())
  do {
    for byte in text.utf8 { try constraint.accept(Int32(byte), endIds: []) }
  } catch { return false }
  return constraint.mayEnd
}

/// The error of a text that cannot be compiled; nil: it can.
func refusal(_ kind: Constraint.Kind, _ text: String) throws -> String? {
  let vocabulary = try Vocabulary()
  do throws(ConstraintError) {
    _ = try vocabulary.constraint(kind, text)
    return nil
  } catch { return error.description }
}

/// Deterministic numbers.
struct Dice {
  private var state: UInt64
  init(seed: UInt64) { state = seed }
  mutating func next(_ count: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int(state >> 33) % max(count, 1)
  }
}
