// SPDX-License-Identifier: Apache-2.0

/// A document that a model wrote as DocTags.
public struct DocTags: Equatable {
  public var elements: [DocTagsElement]

  /// Whether a text, or what begins one, is DocTags.
  public static func isMarked(_ text: some StringProtocol) -> Bool {
    ["<doctag>", "<otsl>", "<chart>", "<code>", "<formula>", "<text>", "<section_header", "<title>", "<picture>", "<loc_"].contains {
      text.drop { $0.isWhitespace }.hasPrefix($0)
    }
  }

  public init(elements: [DocTagsElement]) { self.elements = elements }

  public init(_ text: String) { elements = DocTagsReader.read(text) }

  /// Lines that a page repeats, which belong to no document's text.
  static let furniture: Set<String> = ["page_header", "page_footer"]
}
