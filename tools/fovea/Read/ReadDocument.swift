// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Conversion
import DocTags

/// A document assembled from the records of its pages.
struct ReadDocument {
  struct Page {
    let number: Int
    let source: String
    /// Nil: the page could not be read.
    var record: JSONValue?
    var elements: [DocTagsElement] = []
  }

  let name: String
  var pages: [Page]
  let model: JSON

  init(name: String, pages: [Page], model: JSON, figure: (_ page: Int, _ index: Int) -> String, keepsRepeated: Bool) {
    self.name = name
    self.model = model
    self.pages = pages
    for i in pages.indices { self.pages[i].elements = Self.elements(of: pages[i], figure) }
    if !keepsRepeated {
      var all = self.pages.map(\.elements)
      RepeatedLines.mark(&all)
      for i in all.indices { self.pages[i].elements = all[i] }
    }
  }

  /// The elements of a record: from the page's text layer, from DocTags, or from plain text, which is one element.
  static func elements(of page: Page, _ figure: (_ page: Int, _ index: Int) -> String) -> [DocTagsElement] {
    guard let record = page.record else { return [] }
    var elements: [DocTagsElement] = []
    if let layer = record["layer"]?.string {
      elements = TextLayer(layer, isTurned: record["turned"]?.bool == true).elements
      let figures = (record["figures"]?.array ?? []).compactMap { $0.array?.compactMap(\.int) }.filter { $0.count == 4 }
      FigureAreas.insert(figures.map { .init(left: $0[0], top: $0[1], right: $0[2], bottom: $0[3]) }, into: &elements)
    } else if let text = record["text"]?.string {
      let trimmed = text.trimmingBlankLines
      elements = record["doctags"]?.bool == true ? DocTags(text).elements : trimmed.isEmpty ? [] : [DocTagsElement(kind: "text", text: trimmed)]
    }
    var index = 0
    for i in elements.indices {
      elements[i].forEachPlacedPicture {
        index += 1
        $0.file = figure(page.number, index)
      }
    }
    return elements
  }

  private func anchor(_ page: Page) -> String { "page-\(page.number)" }
  private static let missing = "This page could not be read."

  var markdown: String {
    pages.map { page in
      let text = page.record == nil ? "*\(Self.missing)*" : DocTags(elements: page.elements).markdown
      return "<a id=\"\(anchor(page))\"></a>\n" + (text.isEmpty ? "" : "\n" + text + "\n")
    }.joined(separator: "\n")
  }

  var html: String {
    let title = DocTags.escaped(name)
    let body = pages.map { page in
      let text = page.record == nil ? "<p><em>\(Self.missing)</em></p>" : DocTags(elements: page.elements).html
      return "<section id=\"\(anchor(page))\">\n\(text)\n</section>"
    }
    return "<!DOCTYPE html>\n<html>\n<head><meta charset=\"utf-8\"><title>\(title)</title></head>\n<body>\n"
      + body.joined(separator: "\n") + DocTags.htmlEnd
  }

  var json: JSON {
    let pages = self.pages.map { page -> JSON in
      var members: [(String, JSON)] = [
        ("page", .int(page.number)), ("anchor", .string(anchor(page))), ("source", .string(page.source)),
      ]
      guard let record = page.record else { return .object(members + [("error", .string(Self.missing))]) }
      members.append(("from", record["layer"] == nil ? "model" : "text layer"))
      for key in ["width", "height"] { if let side = record[key]?.int { members.append((key, .int(side))) } }
      if let reason = record["stop_reason"]?.string { members.append(("stop_reason", .string(reason))) }
      if let places = record["places"]?.array { members.append(("places", .array(places.map(Self.place)))) }
      return JSON.object(members).appending(DocTags(elements: page.elements).json)
    }
    return ["document": .string(name), "pages": .array(pages), "model": model]
  }

  private static func place(_ value: JSONValue) -> JSON {
    let box = (value["box"]?.array ?? []).compactMap(\.double)
    return ["phrase": .string(value["phrase"]?.string ?? ""), "box": .array(box.map { .rounded($0) })]
  }
}

extension String {
  /// Without surrounding white space and line breaks.
  fileprivate var trimmingBlankLines: String {
    var text = self[...]
    while let last = text.last, last.isWhitespace { text.removeLast() }
    while let first = text.first, first.isNewline { text.removeFirst() }
    return String(text)
  }
}
