// SPDX-License-Identifier: Apache-2.0

/// A lenient DocTags parser: tags may be left open, or closed without having been opened, and unknown tags are text.
struct DocTagsReader {
  private enum Piece: Equatable {
    case open(String)
    case close(String)
    case text(Substring)
  }

  private static let blocks: Set<String> = [
    "doctag", "title", "text", "paragraph", "caption", "footnote", "page_header", "page_footer", "formula", "code", "picture", "chart", "otsl",
    "document_index", "unordered_list", "ordered_list", "list_item", "form", "key_value_region", "inline", "group", "smiles", "reference",
    "checkbox_selected", "checkbox_unselected", "section_header",
  ]
  private static let cells: [String: DocTagsTable.Mark] = [
    "fcel": .filled, "ched": .header, "rhed": .header, "srow": .header, "ecel": .empty, "lcel": .left, "ucel": .up, "xcel": .cross,
  ]
  private static let tables: Set<String> = ["otsl", "document_index", "chart"]
  private static let heading = "section_header_level_"
  /// Maximum nesting of elements; deeper ones become siblings.
  private static let depth = 32

  private var pieces: ArraySlice<Piece>

  /// The elements of a text, outermost first.
  static func read(_ text: String) -> [DocTagsElement] {
    var reader = DocTagsReader(pieces: split(text)[...])
    var all: [DocTagsElement] = []
    while !reader.pieces.isEmpty {
      let parts = reader.elements(of: "", depth: 0)
      all += parts.elements
      // A closing tag without an opening one.
      if !reader.pieces.isEmpty { reader.pieces.removeFirst() }
    }
    return all.flatMap { $0.kind == "doctag" ? $0.parts : [$0] }
  }

  // MARK: tags and texts

  private static func split(_ text: String) -> [Piece] {
    var pieces: [Piece] = []
    var start = text.startIndex
    var i = start
    while let open = text[i...].firstIndex(of: "<") {
      guard let piece = tag(text[open...]) else {
        i = text.index(after: open)
        continue
      }
      if start < open { pieces.append(.text(text[start..<open])) }
      pieces.append(piece.piece)
      (start, i) = (piece.end, piece.end)
    }
    if start < text.endIndex { pieces.append(.text(text[start...])) }
    return pieces
  }

  /// The tag that `text` begins with, if it is a DocTags tag.
  private static func tag(_ text: Substring) -> (piece: Piece, end: String.Index)? {
    guard let close = text.prefix(64).firstIndex(of: ">") else { return nil }
    var name = text[text.index(after: text.startIndex)..<close]
    let isEnd = name.first == "/"
    if isEnd { name = name.dropFirst() }
    guard !name.isEmpty, name.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "_-+#.".contains($0)) }) else { return nil }
    let known =
      blocks.contains(String(name)) || cells[String(name)] != nil || name == "nl" || name == "page_break" || number(name, after: "loc_") != nil
      || number(name, after: heading) != nil || isLanguage(name) || pictures.contains(String(name))
    guard known else { return nil }
    return (isEnd ? .close(String(name)) : .open(String(name)), text.index(after: close))
  }

  private static func number(_ name: Substring, after prefix: String) -> Int? {
    guard name.hasPrefix(prefix), let n = Int(name.dropFirst(prefix.count)), n >= 0, n < 1 << 20 else { return nil }
    return n
  }

  /// `<_Python_>` before code.
  private static func isLanguage(_ name: Substring) -> Bool { name.count > 2 && name.first == "_" && name.last == "_" }

  /// Classes of pictures.
  private static let pictures: Set<String> = [
    "natural_image", "pie_chart", "bar_chart", "stacked_bar_chart", "line_chart", "flow_chart", "scatter_chart", "scatter_plot", "heatmap",
    "remote_sensing", "chemistry_molecular_structure", "chemistry_markush_structure", "icon", "logo", "signature", "stamp", "qr_code", "bar_code",
    "screenshot", "map", "stratigraphic_chart", "cad_drawing", "electrical_diagram", "other",
  ]

  // MARK: elements

  /// The contents up to the end of `parent`: its text, its box, its parts.
  private mutating func elements(of parent: String, depth: Int) -> (text: String, elements: [DocTagsElement], box: DocTagsElement.Box?, label: String)
  {
    var (text, label) = ("", "")
    var elements: [DocTagsElement] = []
    var places: [Int] = []
    loop: while let piece = pieces.first {
      switch piece {
      case .text(let words):
        pieces.removeFirst()
        if parent.isEmpty || parent == "doctag" {
          let words = DocTagsReader.trimmed(words)
          // Text outside any element.
          if !words.isEmpty { elements.append(plain(words)) }
        } else {
          text += words
        }
      case .close(let name):
        // The start of any block element ends it too.
        if name == parent || parent.isEmpty || DocTagsReader.blocks.contains(name) || name.hasPrefix(DocTagsReader.heading) { break loop }
        pieces.removeFirst()
      case .open(let name):
        if let place = DocTagsReader.number(Substring(name), after: "loc_") {
          pieces.removeFirst()
          if places.count < 4 { places.append(place) }
        } else if DocTagsReader.isLanguage(Substring(name)) {
          pieces.removeFirst()
          label = String(name.dropFirst().dropLast())
        } else if DocTagsReader.pictures.contains(name) {
          pieces.removeFirst()
          label = name
        } else if name == "page_break" {
          pieces.removeFirst()
          elements.append(DocTagsElement(kind: name))
        } else if name == "nl" || DocTagsReader.cells[name] != nil {
          guard !DocTagsReader.tables.contains(parent) else { break loop }
          pieces.removeFirst()
        } else if depth < DocTagsReader.depth {
          pieces.removeFirst()
          elements.append(element(name, depth: depth + 1))
        } else {
          pieces.removeFirst()
        }
      }
    }
    let box = places.count == 4 ? DocTagsElement.Box(left: places[0], top: places[1], right: places[2], bottom: places[3]) : nil
    return (text, elements, box, label)
  }

  private func plain(_ words: Substring) -> DocTagsElement {
    var element = DocTagsElement(kind: "text")
    element.text = String(words)
    return element
  }

  private mutating func element(_ name: String, depth: Int) -> DocTagsElement {
    var element = DocTagsElement(kind: name)
    if let level = DocTagsReader.number(Substring(name), after: DocTagsReader.heading) {
      element = DocTagsElement(kind: "section_header", level: max(level, 1))
    }
    let inner = elements(of: name, depth: depth)
    // Code keeps its white space, except for line breaks around it.
    element.text = name == "code" ? String(inner.text.drop { $0 == "\n" }) : String(DocTagsReader.trimmed(inner.text[...]))
    (element.parts, element.box, element.label) = (inner.elements, inner.box, inner.label)
    if DocTagsReader.tables.contains(name) { element.table = table(of: name, depth: depth, caption: &element) }
    if case .close(name)? = pieces.first { pieces.removeFirst() }
    return element
  }

  /// The cells up to the end of a table.
  private mutating func table(of name: String, depth: Int, caption element: inout DocTagsElement) -> DocTagsTable? {
    var grid: [[(mark: DocTagsTable.Mark, text: String)]] = []
    var row: [(mark: DocTagsTable.Mark, text: String)] = []
    loop: while let piece = pieces.first {
      switch piece {
      case .close: break loop
      case .text(let words):
        pieces.removeFirst()
        if let last = row.indices.last { row[last].text = String(DocTagsReader.trimmed((row[last].text + words)[...])) }
      case .open(let tag):
        if let mark = DocTagsReader.cells[tag] {
          pieces.removeFirst()
          row.append((mark, ""))
        } else if tag == "nl" {
          pieces.removeFirst()
          grid.append(row)
          row = []
        } else if tag == "caption" {
          pieces.removeFirst()
          element.parts.append(self.element(tag, depth: depth + 1))
        } else if DocTagsReader.number(Substring(tag), after: "loc_") != nil || DocTagsReader.pictures.contains(tag) {
          pieces.removeFirst()
        } else {
          break loop
        }
      }
    }
    if !row.isEmpty { grid.append(row) }
    return grid.isEmpty ? nil : DocTagsTable(grid)
  }

  static func trimmed(_ text: Substring) -> Substring {
    var text = text.drop { $0.isWhitespace }
    while let last = text.last, last.isWhitespace { text = text.dropLast() }
    return text
  }
}
