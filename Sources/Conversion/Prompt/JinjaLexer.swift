// SPDX-License-Identifier: Apache-2.0

/// The parts of a template: text, `{{ … }}` and `{% … %}`, with white space removed as in transformers (`trim_blocks`, `lstrip_blocks`).
enum JinjaPart {
  case text(String)
  case output([JinjaToken])
  case block([JinjaToken])
}

enum JinjaToken: Equatable {
  case name(String)
  case string(String)
  case int(Int)
  case sign(String)
}

enum JinjaLexer {
  static func parts(_ source: String) throws(JinjaError) -> [JinjaPart] {
    let s = unixLines(source)
    var parts: [JinjaPart] = []
    var text: [Unicode.Scalar] = []
    var i = 0
    // Whether the current text begins a line.
    var startsLine = true
    func isBlank(_ c: Unicode.Scalar) -> Bool { c == " " || c == "\t" || c == "\n" || c == "\r" }
    func string(_ x: some Sequence<Unicode.Scalar>) -> String {
      var out = String.UnicodeScalarView()
      out.append(contentsOf: x)
      return String(out)
    }
    while i < s.count {
      guard s[i] == "{", i + 1 < s.count, ["{", "%", "#"].contains(s[i + 1]) else {
        text.append(s[i])
        i += 1
        continue
      }
      let kind = s[i + 1]
      var start = i + 2
      if start < s.count, s[start] == "-" {
        while let last = text.last, isBlank(last) { text.removeLast() }
        start += 1
      } else if start < s.count, s[start] == "+" {
        start += 1
      } else if kind != "{" {
        // Only white space between the start of the line and the block: removed.
        let line = text.lastIndex(of: "\n").map { $0 + 1 } ?? 0
        if line > 0 || startsLine, text[line...].allSatisfy({ $0 == " " || $0 == "\t" }) { text.removeSubrange(line...) }
      }
      if !text.isEmpty { parts.append(.text(string(text))) }
      text = []
      // The end marker, unless inside a string.
      let close: Unicode.Scalar = kind == "{" ? "}" : kind
      var end = start
      var quote: Unicode.Scalar?
      while end + 1 < s.count {
        if let open = quote {
          if s[end] == "\\" { end += 1 } else if s[end] == open { quote = nil }
        } else if kind != "#", s[end] == "'" || s[end] == "\"" {
          quote = s[end]
        } else if s[end] == close, s[end + 1] == "}" {
          break
        }
        end += 1
      }
      guard end + 1 < s.count else { throw JinjaError("a block without an end") }
      i = end + 2
      var inner = s[start..<end]
      let cuts = inner.last == "-"
      if cuts || inner.last == "+" { inner.removeLast() }
      if kind != "#" {
        let tokens = try tokens(Array(inner))
        parts.append(kind == "{" ? .output(tokens) : .block(tokens))
      }
      if cuts {
        while i < s.count, isBlank(s[i]) { i += 1 }
      } else if kind != "{", i < s.count, s[i] == "\n" {
        i += 1
      }
      startsLine = s[i - 1] == "\n"
    }
    // A single line break at the end of a template is dropped.
    if text.last == "\n" { text.removeLast() }
    if !text.isEmpty { parts.append(.text(string(text))) }
    return parts
  }

  /// With "\r\n" and "\r" as "\n", as Jinja reads a template.
  private static func unixLines(_ source: String) -> [Unicode.Scalar] {
    var s: [Unicode.Scalar] = []
    var last: Unicode.Scalar?
    for c in source.unicodeScalars {
      if c != "\n" || last != "\r" { s.append(c == "\r" ? "\n" : c) }
      last = c
    }
    return s
  }

  private static func tokens(_ s: [Unicode.Scalar]) throws(JinjaError) -> [JinjaToken] {
    var tokens: [JinjaToken] = []
    var i = 0
    func isLetter(_ c: Unicode.Scalar) -> Bool { c == "_" || ("a"..."z").contains(c) || ("A"..."Z").contains(c) }
    func isDigit(_ c: Unicode.Scalar) -> Bool { ("0"..."9").contains(c) }
    while i < s.count {
      let c = s[i]
      var word = String.UnicodeScalarView()
      if c == " " || c == "\n" || c == "\t" || c == "\r" {
        i += 1
      } else if isLetter(c) {
        while i < s.count, isLetter(s[i]) || isDigit(s[i]) {
          word.append(s[i])
          i += 1
        }
        tokens.append(.name(String(word)))
      } else if isDigit(c) {
        while i < s.count, isDigit(s[i]) {
          word.append(s[i])
          i += 1
        }
        guard let number = Int(String(word)) else { throw JinjaError("a number that is too long") }
        tokens.append(.int(number))
      } else if c == "'" || c == "\"" {
        i += 1
        while i < s.count, s[i] != c {
          if s[i] == "\\", i + 1 < s.count {
            i += 1
            switch s[i] {
            case "n": word.append("\n")
            case "t": word.append("\t")
            case "r": word.append("\r")
            case "\\", "'", "\"": word.append(s[i])
            default: throw JinjaError("an escape \\\(s[i])")
            }
          } else {
            word.append(s[i])
          }
          i += 1
        }
        i += 1
        tokens.append(.string(String(word)))
      } else {
        let two = i + 1 < s.count ? String(c) + String(s[i + 1]) : ""
        if ["==", "!=", "<=", ">=", "//", "**"].contains(two) {
          tokens.append(.sign(two))
          i += 2
        } else {
          guard "+-*/%~|.,:()[]{}<>=".unicodeScalars.contains(c) else { throw JinjaError("the character \(c)") }
          tokens.append(.sign(String(c)))
          i += 1
        }
      }
    }
    return tokens
  }
}
