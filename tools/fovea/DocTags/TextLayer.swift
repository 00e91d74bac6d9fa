// SPDX-License-Identifier: Apache-2.0

/// The text layer of a PDF page, as written by `pdftotext -bbox-layout`: blocks of lines of words with their boxes.
public struct TextLayer {
  struct Line {
    var box: [Double]
    var words: [String]
    var height: Double { box[3] - box[1] }
    var text: String { words.joined(separator: " ") }
  }

  /// Page size in points.
  public private(set) var width = 0.0, height = 0.0
  /// Whether the page is turned by a quarter; `width` and `height` are those of the turned page.
  public let isTurned: Bool
  var blocks: [(box: [Double], lines: [Line])] = []

  /// - Parameters:
  ///   - xml: of one page.
  ///   - isTurned: whether the page is turned by 90° or 270°: then the boxes in `xml` are those of the turned page, but its size is not.
  public init(_ xml: String, isTurned: Bool = false) {
    self.isTurned = isTurned
    for tag in xml.split(separator: "<") {
      if tag.hasPrefix("page ") {
        (width, height) = (Self.number(isTurned ? "height" : "width", tag) ?? 0, Self.number(isTurned ? "width" : "height", tag) ?? 0)
      } else if tag.hasPrefix("block ") {
        blocks.append((Self.box(tag), []))
      } else if tag.hasPrefix("line "), !blocks.isEmpty {
        blocks[blocks.count - 1].lines.append(Line(box: Self.box(tag), words: []))
      } else if tag.hasPrefix("word "), let end = tag.firstIndex(of: ">"), let last = blocks.indices.last, let line = blocks[last].lines.indices.last
      {
        blocks[last].lines[line].words.append(Self.unescaped(tag[tag.index(after: end)...]))
      }
    }
  }

  /// Whether there is a useful amount of real text: fonts without a Unicode map yield meaningless characters.
  public var isUsable: Bool {
    var (letters, odd) = (0, 0)
    for block in blocks {
      for line in block.lines {
        for scalar in line.words.lazy.joined().unicodeScalars {
          switch scalar.properties.generalCategory {
          case .control, .privateUse, .unassigned, .surrogate: odd += 1
          default: if scalar.value == 0xFFFD { odd += 1 } else { letters += 1 }
          }
        }
      }
    }
    return letters >= 20 && odd * 20 <= letters
  }

  /// Paragraphs and headings in reading order. A short block in larger letters than most of the page is a heading.
  public var elements: [DocTagsElement] {
    let heights = blocks.flatMap { block in block.lines.flatMap { Array(repeating: $0.height, count: max($0.text.count, 1)) } }.sorted()
    let usual = heights.isEmpty ? 0 : heights[heights.count / 2]
    return blocks.compactMap { block -> DocTagsElement? in
      let text = Self.paragraph(block.lines.map(\.text))
      guard !text.isEmpty else { return nil }
      let size = block.lines.map(\.height).max() ?? 0
      let isHeading = block.lines.count <= 3 && text.count <= 200 && size > 1.2 * usual && usual > 0
      let level = size > 1.6 * usual ? 1 : 2
      return DocTagsElement(
        kind: isHeading ? "section_header" : "text", level: isHeading ? level : 0, box: place(block.box), text: text)
    }
  }

  private func place(_ box: [Double]) -> DocTagsElement.Box? {
    guard width > 0, height > 0 else { return nil }
    func share(_ x: Double, _ side: Double) -> Int { Int((min(max(x / side, 0), 1) * 500).rounded()) }
    return DocTagsElement.Box(left: share(box[0], width), top: share(box[1], height), right: share(box[2], width), bottom: share(box[3], height))
  }

  /// Joins lines to one text; words hyphenated at the end of a line are rejoined.
  static func paragraph(_ lines: [String]) -> String {
    var out = ""
    for line in lines where !line.isEmpty {
      if out.last == "-", out.dropLast().last?.isLetter == true, line.first?.isLowercase == true {
        out.removeLast()
        out += line
      } else {
        out += (out.isEmpty ? "" : " ") + line
      }
    }
    return out
  }

  private static func box(_ tag: Substring) -> [Double] { ["xMin", "yMin", "xMax", "yMax"].map { number($0, tag) ?? 0 } }

  private static func number(_ name: String, _ tag: Substring) -> Double? {
    let parts = tag.split(separator: "\"", omittingEmptySubsequences: false)
    guard let i = parts.firstIndex(where: { $0.hasSuffix(name + "=") }), i + 1 < parts.count, let value = Double(parts[i + 1]), value.isFinite
    else { return nil }
    return value
  }

  private static func unescaped(_ text: Substring) -> String {
    var text = String(text)
    for (entity, sign) in [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&#39;", "'"), ("&amp;", "&")] {
      text.replace(entity, with: sign)
    }
    return text
  }
}
