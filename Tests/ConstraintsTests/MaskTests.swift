// SPDX-License-Identifier: Apache-2.0
import Constraints
import Testing

@Suite struct MaskTests {
  private static let longer = [
    "ab", "abc", "the ", "\"", "\",", "\":", "{\"", "\"}", "}}", "é", "éa", "aé\"", "日本", "日\"", "  ", "        ", "\n  ", "123", "-1", "1.5", "true",
    "null", "\\n", "\\\"", "\\u00", "abcdefghijklmnopqrstuvwxyz0123456789abcdefgh", "a\"b", "Ab", "GH", "a,b", ", ", ": ", "[1", "😀", "\u{2028}x",
    "x\u{2029}",
  ]
  private static let constraints: [(Constraint.Kind, String)] = [
    (.regularExpression, ".*x"), (.regularExpression, "[^\"]{0,9}!"), (.regularExpression, "(a|ab|abc)*\\w{3,40}"),
    (.regularExpression, "(\\p{L}|日本)+\"?"), (.regularExpression, ".{3,17}\"a?"),
    (.regularExpression, "[^\n]{2,12}\\."), (.regularExpression, ".{4,9}[xyz]+"), (.regularExpression, "[a-z]{3}([a-z ]{1,70}|z{40}日)"),
    (.jsonSchema, #"{"properties":{"ab":{"type":"string","maxLength":5},"n":{"type":"number"},"c":{"type":"string"}},"required":["ab","c"]}"#),
    (.jsonSchema, "true"), (.jsonSchema, #"{"type":"string","pattern":"^[a-z]*日"}"#),
    (.grammar, "root ::= item (\", \" item)*\nitem ::= [a-z]+ | \"[\" root \"]\" | \"é\"{2,4}"),
  ]

  /// What the tree of the vocabulary gives, runs of characters taken at once, is what each token's bytes give one by one.
  @Test func masksAreWhatTokensBytesSay() throws {
    // Parts of characters, by themselves and beside whole ones, in the order in which they may come and in others.
    let parts: [[UInt8]] = [
      [0x94, 0xD7], [0xD7, 0x94, 0xD7], [0x61, 0xE6, 0x97], [0xE6, 0x97], [0x97, 0xA5], [0x97, 0xA5, 0x22], [0xA5, 0x61], [0xE6, 0x61], [0xFF, 0x61],
      [0x61, 0xF0, 0x9F, 0x98], [0x80, 0x61, 0x62], [0xC3, 0x61],
    ]
    let vocabulary = try Vocabulary(
      Self.longer + ["z.", "..", "a.b.", "xz日", "日x"] + (1...60).map { String(repeating: "z", count: $0) }, parts: parts)
    for (number, (kind, text)) in Self.constraints.enumerated() {
      let constraint = try vocabulary.constraint(kind, text)
      let probe = try vocabulary.constraint(kind, text)
      var dice = Dice(seed: UInt64(number + 1))
      for _ in 0..<2 {
        try constraint.begin(ConstraintBounds())
        var answer: [Int32] = []
        for _ in 0..<12 where !constraint.isComplete {
          let allowed = try vocabulary.allowed(constraint)
          var expected: [Int32] = []
          for id in 0..<vocabulary.end {
            try probe.begin(ConstraintBounds())
            do {
              for token in answer + [id] { for byte in vocabulary.texts[Int(token)] { try probe.accept(Int32(byte), endIds: []) } }
              expected.append(id)
            } catch {}
          }
          if constraint.mayEnd { expected.append(vocabulary.end) }
          #expect(allowed == expected, "\(text) after \(answer.map { vocabulary.texts[Int($0)] })")
          let going = allowed.filter { $0 != vocabulary.end }
          guard !going.isEmpty else { break }
          let next = going[dice.next(going.count)]
          try constraint.accept(next, endIds: [vocabulary.end])
          answer.append(next)
        }
      }
    }
  }

  @Test func tablesThatAreFullAreMadeAnew() throws {
    let vocabulary = try Vocabulary()
    // Each character of such a text has a state of its own.
    let constraint = try vocabulary.constraint(.regularExpression, "[ab]{4000}c", cacheLimit: 1 << 18)
    for _ in 0..<2 {
      try constraint.begin(ConstraintBounds())
      for i in 0..<4000 {
        try constraint.accept(i % 3 == 0 ? 97 : 98, endIds: [])
        if i % 500 == 0 { #expect(try vocabulary.allowed(constraint) == [97, 98]) }
      }
      #expect(try vocabulary.allowed(constraint) == [99])
    }
  }

  @Test func theEndIsAllowedExactlyWhereTheAnswerIsComplete() throws {
    let vocabulary = try Vocabulary()
    let constraint = try vocabulary.constraint(.regularExpression, "ab?")
    #expect(try vocabulary.allowed(constraint) == [97])
    try constraint.accept(97, endIds: [vocabulary.end])
    #expect(try vocabulary.allowed(constraint) == [98, vocabulary.end] && !constraint.isComplete)
    try constraint.accept(98, endIds: [vocabulary.end])
    #expect(constraint.isComplete)
    #expect(try vocabulary.allowed(constraint) == [vocabulary.end])
  }

  @Test func forcedTextsAreProposedAsTokens() throws {
    let vocabulary = try Vocabulary(["name", "\":", "{\"", "na"])
    let constraint = try vocabulary.constraint(.jsonSchema, #"{"properties":{"name":{"const":"value"}},"required":["name"]}"#)
    try constraint.accept(123, endIds: [])
    // Line ends may follow the brace.
    #expect(try constraint.forced(most: 9).isEmpty)
    try constraint.accept(34, endIds: [])
    let forced = try constraint.forced(most: 9)
    #expect(forced.first.map { vocabulary.texts[Int($0)] } == Array("name".utf8))
  }

  /// A vocabulary without single bytes of all kinds: what it cannot write is not asked for.
  @Test func whatCannotBeWrittenIsLeftOut() throws {
    let vocabulary = try Vocabulary(["é"], bytes: Array("abcdefghijklmnopqrstuvwxyz\"{}:,0123456789".utf8))
    let constraint = try vocabulary.constraint(.jsonSchema, #"{"enum":["ä","é","b"]}"#)
    try constraint.accept(26, endIds: [])
    let allowed = try vocabulary.allowed(constraint).map { String(decoding: vocabulary.texts[Int($0)], as: UTF8.self) }
    #expect(allowed == ["b", "é"])
    #expect(throws: ConstraintError.unsatisfiable) { try vocabulary.constraint(.regularExpression, "A+") }
  }

  /// Blanks at an answer's beginning that the tokenizer leaves out.
  @Test func aLeadingBlankIsLeftOut() throws {
    let texts = ["a", " a", " ", "b", " b"]
    let trie = try TokenTrie(vocabulary: 6, bounds: ConstraintBounds()) { id, out in
      guard Int(id) < texts.count else { return .none }
      out += Array(texts[Int(id)].utf8)
      return texts[Int(id)].hasPrefix(" ") ? .textAfterSpace : .text
    }
    let constraint = try Constraint(
      .regularExpression, Array("a b".utf8), trie, emptyFirstTokenIsTaken: true, cacheLimit: 1 << 20, bounds: ConstraintBounds())
    func allowed() throws -> [Int] {
      var logits = [Float](repeating: 0, count: 6)
      try logits.withUnsafeMutableBufferPointer { try constraint.mask($0, endIds: [5]) }
      return logits.indices.filter { logits[$0] == 0 }
    }
    #expect(try allowed() == [0, 1, 2])
    try constraint.accept(1, endIds: [5])
    #expect(try allowed() == [2, 4])
    try constraint.begin(ConstraintBounds())
    try constraint.accept(2, endIds: [5])
    #expect(try allowed() == [0])
  }
}
