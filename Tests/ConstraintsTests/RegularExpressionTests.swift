// SPDX-License-Identifier: Apache-2.0
import Constraints
import Testing

@Suite struct RegularExpressionTests {
  private static let cases: [(pattern: String, taken: [String], refused: [String])] = [
    ("a(b|c)*d{2,3}", ["add", "abcbdd", "accddd"], ["ad", "adddd", "abc", ""]),
    ("", [""], ["a"]),
    ("(|a)b", ["b", "ab"], ["a", "aab"]),
    ("(a?){3}b", ["b", "ab", "aaab"], ["aaaab"]),
    ("(a*)*", ["", "aaa"], ["b"]),
    ("((a|ab)(c|bcd))+", ["ac", "abc", "abcd", "acabc"], ["ab", "abcdd"]),
    ("(é{2}x{2,}){2,}", ["ééxxééxx", "ééxxxééxxxx"], ["ééxx", "ééxééxx"]),
    ("[^a-c\\d]+", ["xyz", "é"], ["xa", "5", "\u{663}"]),
    ("\\w+\\s\\W", ["ab_9 !", "a\t-"], ["ab", "a  b", "a é"]),
    (".+", ["é😀x"], ["a\nb", "\u{2028}", "\r"]),
    ("(?s:.)(?i:ab)c", ["\nABc", "xaBc"], ["\nABC"]),
    ("^(yes|no)$", ["yes", "no"], ["yesno", "maybe"]),
    ("^a|b$", ["a", "b"], ["ab"]),
    ("\\u00e9\\x41\\u{1F600}\\uD83D\\uDE00", ["éA😀😀"], ["éA😀"]),
    ("\\p{Lu}\\p{Ll}*\\P{L}", ["Éa1", "A!"], ["ab1", "Abc"]),
    ("\\pN", ["5", "Ⅷ", "½"], ["a"]),
    ("[\\]\\-x-z\\\\]+", ["]-y\\"], ["w"]),
    ("a{0,2}b{0}c{x}", ["aac{x}", "c{x}"], ["aaac{x}"]),
    ("(?P<y>\\d{4})-(?<m>0[1-9]|1[0-2])", ["2026-11"], ["2026-13"]),
    ("(a|aa){2,1000000}", ["aa", "aaaaaaaa"], ["a", "b"]),
    ("[a-z]{3}\\.?x*?", ["abcxx", "abc."], ["ab"]),
  ]

  @Test func textsAreTakenAsOtherEnginesTakeThem() throws {
    let vocabulary = try Vocabulary()
    for (pattern, taken, refused) in Self.cases {
      let constraint = try vocabulary.constraint(.regularExpression, pattern)
      for text in taken { #expect(try takes(constraint, text), "\(pattern) takes \(text)") }
      for text in refused { #expect(try !takes(constraint, text), "\(pattern) refuses \(text)") }
    }
  }

  /// `\D`, `\W`, `\S` leave out what any engine counts as a digit, a word character, a space.
  @Test func negationsHoldForUnicode() throws {
    let vocabulary = try Vocabulary()
    for (pattern, text) in [
      ("\\D", "٣"), ("\\W", "é"), ("\\S", "\u{3000}"), ("[^\\s]", "\u{A0}"), ("\\d", "٣"), ("\\w", "é"), ("(?i)[^k]", "\u{212A}"),
    ] {
      #expect(try !takes(vocabulary.constraint(.regularExpression, pattern), text), "\(pattern) \(text)")
    }
  }

  @Test func whatIsNotSupportedIsNamedWithItsPlace() throws {
    let cases = [
      ("a(?=b)", "column 2: looking ahead"), ("(a)\\1", "column 4: references to groups"), ("a\\bc", "column 2: word boundaries"),
      ("(ab", "column 1: a group that does not end"), ("ab)", "column 3: an unmatched"), ("a**", "column 3: a quantifier after"),
      ("*a", "column 1: nothing before"), ("[b-a]", "column 3: a range in the wrong order"), ("[ab", "column 1: a class that does not end"),
      ("a$b", "anchor"), ("\\p{Greek}", "general categories"), ("a{3,2}", "wrong order"), ("\\q", "unknown escape"), ("a{9999999}b", "repetitions"),
      ("a\n(?<=b)", "line 2, column 1"), ("(?(1)a)", "a condition"), ("a++", "possessive"), ("\\", "a backslash at the end"),
      ("\\uD800", "no character"), ("a{,2}", "column 2: {,…}"), ("a{,}", "column 2: {,…}"), ("{,3}", "column 1: {,…}"),
    ]
    for (pattern, message) in cases {
      let found = try refusal(.regularExpression, pattern)
      #expect(found?.contains(message) == true, "\(pattern): \(found ?? "compiled")")
    }
  }
}
