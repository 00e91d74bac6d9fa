// SPDX-License-Identifier: Apache-2.0
import Constraints
import Testing

@Suite struct GrammarTests {
  @Test func arithmeticIsFollowedToAnyDepth() throws {
    // Each expression can be read as the beginning of three alternatives: what they share is followed once.
    let grammar = """
      # sums
      root  ::= sum
      sum   ::= term "+" sum | term "-" sum | term
      term  ::= factor "*" term | factor "/" term | factor
      factor ::= [0-9]+ | "(" ( # a comment
        sum ) ")"
      """
    let vocabulary = try Vocabulary()
    let constraint = try vocabulary.constraint(.grammar, grammar)
    let deep = String(repeating: "(", count: 60) + "7" + String(repeating: ")*2-1", count: 60)
    for text in ["1", "12+3*(4-5)/6", deep] { #expect(try takes(constraint, text), "\(text)") }
    for text in ["", "1+", "(1", "1)", "a", deep + ")"] { #expect(try !takes(constraint, text), "\(text)") }
  }

  @Test func bracketsOfTwoKindsAndRepetitionsNest() throws {
    let grammar = """
      root ::= pair{2,3} "."? tail*
      pair ::= "<" pair? ">" | "[" pair* "]"
      tail ::= [^\\x00-\\x7F\\n] | "\\"" | "\\u00e9\\U0001F600" | .{2} "!"
      """
    let vocabulary = try Vocabulary()
    let constraint = try vocabulary.constraint(.grammar, grammar)
    for text in ["<>[]", "<[<>[]]><>[].", "[][]é\"", "<><>é😀xy!"] { #expect(try takes(constraint, text), "\(text)") }
    for text in ["<>", "<>[]<>[]", "<[>]<>", "<><>x"] { #expect(try !takes(constraint, text), "\(text)") }
  }

  @Test func rulesThatMayBeEmptyAreFollowed() throws {
    let vocabulary = try Vocabulary()
    let constraint = try vocabulary.constraint(.grammar, "root ::= a b a \"x\" root?\na ::= b | \"1\" a?\nb ::= (\"2\" | \"\")*\n")
    for text in ["x", "1x", "2x", "12211x", "xx21x"] { #expect(try takes(constraint, text), "\(text)") }
    for text in ["", "3x", "x2"] { #expect(try !takes(constraint, text), "\(text)") }
  }

  @Test func whatIsWrongIsNamedWithItsPlace() throws {
    let cases = [
      ("root ::= root \"a\" | \"a\"", "rule root begins with itself"), ("root ::= a? root\na ::= \"x\"", "begins with itself"),
      ("root ::= a\na ::= b\nb ::= a \"x\"", "begins with itself"), ("root ::= x", "line 1, column 10: rule x is not defined"),
      ("a ::= \"b\"", "no rule root"), ("root ::= \"a", "a text that does not end"), ("root = \"a\"", "'::=' is needed"),
      ("root ::= (\"a\"", "a group that does not end"), ("root ::= \"a\"\nroot ::= \"b\"", "line 2, column 1: rule root is defined twice"),
      ("root ::= \"\\q\"", "unknown escape"), ("root ::= \"a\" )", "a rule ends with its line"), ("root ::= [z-a]", "wrong order"),
      ("root ::= \"a\" root", "no answer can satisfy"),
    ]
    for (grammar, message) in cases {
      let found = try refusal(.grammar, grammar)
      #expect(found?.contains(message) == true, "\(grammar): \(found ?? "compiled")")
    }
  }
}
