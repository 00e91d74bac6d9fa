// SPDX-License-Identifier: Apache-2.0
import Constraints
import Testing

/// Texts that would take very long, very much or very deep: each compiles or is refused in seconds, and is followed or refused in seconds.
@Suite struct HostileTests {
  private static let cases: [(Constraint.Kind, String)] = [
    (.regularExpression, "((a|a)*){1000}"), (.regularExpression, "((a|a)*)*b"),
    (.regularExpression, String(repeating: "(", count: 100_000)), (.regularExpression, String(repeating: "(a|b)?", count: 20_000)),
    (.regularExpression, "(a{0,1000000}){0,1000000}b"), (.regularExpression, "((((a{1000}){1000}){1000}){1000}){1000}"),
    (.regularExpression, ".*a.{3000}"), (.regularExpression, "(.*a){50}.*"),
    (.regularExpression, String(repeating: "a?", count: 3000) + String(repeating: "a", count: 3000)),
    (.regularExpression, String(repeating: "\\W", count: 100_000)), (.regularExpression, "[" + String(repeating: "a-z", count: 300_000) + "]"),
    (.regularExpression, String(repeating: "a|", count: 200_000)), (.regularExpression, "(a|aa|aaa){500,1000}"),
    (.grammar, (0..<30_000).map { "r\($0) ::= r\($0 + 1) | \"\($0)\"\n" }.joined() + "r30000 ::= \"x\"\nroot ::= r0"),
    (.grammar, "root ::= " + String(repeating: "( ", count: 50_000)), (.grammar, "root ::= \"a\" root \"b\" | \"a\" root \"c\" | \"\""),
    (.grammar, (0..<40).map { "r\($0) ::= r\($0 + 1) r\($0 + 1)\n" }.joined() + "r40 ::= \"x\"?\nroot ::= r0 \"y\""),
    (.grammar, "root ::= [a-z]{0,1000000}{0,1000000}"),
    (.jsonSchema, String(repeating: "[", count: 500_000)),
    (.jsonSchema, String(repeating: #"{"items":"#, count: 100) + "{}" + String(repeating: "}", count: 100)),
    (.jsonSchema, #"{"enum":[\#((0..<50_000).map { "\"item \($0 &* 7919)\"" }.joined(separator: ","))]}"#),
    (.jsonSchema, #"{"properties":{\#((0..<3000).map { "\"p\($0)\":{\"type\":\"integer\"}" }.joined(separator: ","))}}"#),
    (.jsonSchema, #"{"allOf":[\#((0..<12).map { "{\"anyOf\":[{\"minimum\":\($0)},{\"maximum\":\($0)}]}" }.joined(separator: ","))]}"#),
    (
      .jsonSchema,
      ##"{"$defs":{"a":{"anyOf":[{"$ref":"#/$defs/b"},{"$ref":"#/$defs/b"}]},"b":{"anyOf":[{"$ref":"#/$defs/a"},{"type":"null"}]}},"$ref":"#/$defs/a"}"##
    ),
    (.jsonSchema, #"{"type":"string","pattern":"(a|b)*c(a|b){200}","minLength":500,"maxLength":900}"#),
    (.jsonSchema, #"{"type":"string","maxLength":2147483647,"minLength":100000}"#),
    (.jsonSchema, #"{"type":"array","minItems":1000,"maxItems":1000000,"items":{"type":"array","maxItems":99999}}"#),
    (.jsonSchema, #"{"type":"object","minProperties":900000000000000000000}"#), (.jsonSchema, #"{"multipleOf":1e-300}"#),
  ]

  @Test(arguments: cases.indices)
  func isAnsweredInTime(_ number: Int) throws {
    let (kind, text) = Self.cases[number]
    let vocabulary = try Vocabulary(["ab", "aaaa", "aaaaaaaaaaaaaaaa", "item ", "\"p1", "[[[[", "abababab"])
    let started = ContinuousClock.now
    var dice = Dice(seed: 3)
    do throws(ConstraintError) {
      let constraint = try vocabulary.constraint(kind, text)
      let compiled = ContinuousClock.now - started
      #expect(compiled < .seconds(8), "compiling \(text.prefix(60)) took \(compiled)")
      var logits = [Float](repeating: 0, count: vocabulary.texts.count + 1)
      for _ in 0..<60 where !constraint.isComplete {
        for i in logits.indices { logits[i] = 0 }
        var failure: ConstraintError?
        logits.withUnsafeMutableBufferPointer { logits in
          do throws(ConstraintError) { try constraint.mask(logits, endIds: [vocabulary.end]) } catch { failure = error }
        }
        if let failure { throw failure }
        let allowed = logits.indices.filter { logits[$0] == 0 }
        let next = allowed[dice.next(allowed.count)]
        if next == Int(vocabulary.end) { break }
        try constraint.accept(Int32(next), endIds: [vocabulary.end])
      }
    } catch { #expect(error != .cachesFull && error != .stopped, "\(text.prefix(60)): \(error.description)") }
    let took = ContinuousClock.now - started
    #expect(took < .seconds(20), "\(text.prefix(60)) took \(took)")
  }

  @Test func compilingLooksAtTheDeadline() throws {
    let vocabulary = try Vocabulary()
    let text = Array(String(repeating: "(a|b)?", count: 20_000).utf8)
    #expect(throws: ConstraintError.stopped) {
      try Constraint(
        .regularExpression, text, vocabulary.trie, emptyFirstTokenIsTaken: true, cacheLimit: 1 << 20, bounds: ConstraintBounds { true })
    }
  }

  @Test func aTextThatIsTooLongIsRefused() throws {
    let found = try refusal(.regularExpression, String(repeating: "a", count: ConstraintBounds.textLimit + 1))
    #expect(found?.contains("at most") == true)
  }
}
