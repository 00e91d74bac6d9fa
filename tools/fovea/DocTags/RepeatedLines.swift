// SPDX-License-Identifier: Apache-2.0

/// Finds the headers and footers that a document's pages repeat, and marks them `page_header` and `page_footer`, which Markdown and HTML
/// omit.
///
/// A line counts as repeated if it is at the same edge of three pages among six consecutive ones: that covers headers that alternate
/// between left and right pages or change with the chapter. Numbers compare equal, so that page numbers are found too; of lines without
/// letters only those that look like page numbers count, and rows of Markdown tables never do.
public enum RepeatedLines {
  /// Elements this close to an edge, in 500ths of the page, may be a header or footer; elements without a box only as first or last line.
  static let margin = 60
  static let (window, occurrences) = (6, 3)
  /// Longer texts are not headers.
  static let longest = 160
  /// Digits of a page number.
  static let mostDigits = 5
  /// Signs that page numbers are set between: `- 3 -`, `[3]`, `**3**`, `3 / 12`.
  private static let ornaments: Set<Character> = ["-", "–", "—", "−", "•", "·", "*", "_", "~", "(", ")", "[", "]", "<", ">", "/"]

  private enum Edge: Hashable { case top, bottom }
  private struct Key: Hashable {
    let edge: Edge
    let text: String
  }

  public static func mark(_ pages: inout [[DocTagsElement]]) {
    let cuts = pages.indices.map { cutEdges(&pages[$0]) }
    var seen: [Key: [Int]] = [:]
    for (number, page) in pages.enumerated() {
      for key in Set(page.indices.flatMap { keys(page, $0) }) { seen[key, default: []].append(number) }
    }
    let repeated = seen.filter { isRepeated($0.value) }
    for number in pages.indices {
      for i in pages[number].indices {
        guard let key = keys(pages[number], i).first(where: { repeated[$0] != nil }) else { continue }
        pages[number][i].kind = key.edge == .top ? "page_header" : "page_footer"
        pages[number][i].level = 0
      }
      join(&pages[number], cuts[number])
    }
  }

  private static func isRepeated(_ numbers: [Int]) -> Bool {
    guard numbers.count >= occurrences else { return false }
    return (occurrences - 1..<numbers.count).contains { numbers[$0] - numbers[$0 - occurrences + 1] < window }
  }

  /// Keys by which an element's repetitions are found; empty if it is not a candidate.
  private static func keys(_ page: [DocTagsElement], _ i: Int) -> [Key] {
    let e = page[i]
    guard ["text", "paragraph", "title", "section_header"].contains(e.kind), e.parts.isEmpty, !e.text.isEmpty, e.text.utf8.count <= longest
    else { return [] }
    let text = known(e.text)
    guard !text.isEmpty, text != "#" || isPageNumber(e.text), e.text.first(where: { !$0.isWhitespace }) != "|" else { return [] }
    var edges: [Edge] = []
    if let box = e.box {
      if box.bottom <= margin { edges.append(.top) }
      if box.top >= 500 - margin { edges.append(.bottom) }
    } else if page.count > 1 {
      // The only element is the page's text, which may be the same as another page's.
      if i == 0 { edges.append(.top) }
      if i == page.count - 1 { edges.append(.bottom) }
    }
    return edges.map { Key(edge: $0, text: text) }
  }

  /// Whether a line without letters holds a page number, `3` or `3 / 12`, and not an amount, a fraction or several numbers.
  private static func isPageNumber(_ line: String) -> Bool {
    let numbers = line.split(whereSeparator: { !$0.isWholeNumber })
    guard numbers.count == 1 || numbers.count == 2, numbers.allSatisfy({ $0.count <= mostDigits }) else { return false }
    if numbers.count == 2 {
      let between = line[numbers[0].endIndex..<numbers[1].startIndex]
      guard between.filter({ !$0.isWhitespace }) == "/" else { return false }
    }
    return line.allSatisfy { $0.isWholeNumber || $0.isWhitespace || ornaments.contains($0) }
  }

  /// Lower case letters, with each run of digits as `#`; all else is dropped.
  private static func known(_ text: String) -> String {
    var out = ""
    for character in text.lowercased() {
      if character.isNumber {
        if out.last != "#" { out.append("#") }
      } else if character.isLetter {
        out.append(character)
      }
    }
    return out
  }

  /// Text without a box: splits off its first and last line, so that they can be classified separately.
  private static func cutEdges(_ page: inout [DocTagsElement]) -> (first: Bool, last: Bool) {
    var cuts = (first: false, last: false)
    if let last = page.last, last.kind == "text", last.box == nil, let cut = last.text.lastIndex(of: "\n") {
      page[page.count - 1].text = String(last.text[..<cut])
      page.append(DocTagsElement(kind: "text", text: String(last.text[last.text.index(after: cut)...])))
      cuts.last = true
    }
    if let first = page.first, first.kind == "text", first.box == nil, let cut = first.text.firstIndex(of: "\n") {
      page[0].text = String(first.text[first.text.index(after: cut)...])
      page.insert(DocTagsElement(kind: "text", text: String(first.text[..<cut])), at: 0)
      cuts.first = true
    }
    return cuts
  }

  /// Merges lines that turned out to be text again.
  private static func join(_ page: inout [DocTagsElement], _ cuts: (first: Bool, last: Bool)) {
    func merge(_ i: Int) {
      guard page.indices.contains(i), page.indices.contains(i + 1), page[i].kind == "text", page[i + 1].kind == "text" else { return }
      page[i].text += "\n" + page[i + 1].text
      page.remove(at: i + 1)
    }
    if cuts.last { merge(page.count - 2) }
    if cuts.first { merge(0) }
  }
}
