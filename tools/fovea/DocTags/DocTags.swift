// SPDX-License-Identifier: Apache-2.0

/// A document in DocTags, as written by a model.
public struct DocTags: Equatable {
  public var elements: [DocTagsElement]

  /// Whether a text, or its beginning, is DocTags.
  public static func isMarked(_ text: some StringProtocol) -> Bool {
    ["<doctag>", "<otsl>", "<chart>", "<code>", "<formula>", "<text>", "<section_header", "<title>", "<picture>", "<loc_"].contains {
      text.drop { $0.isWhitespace }.hasPrefix($0)
    }
  }

  public init(elements: [DocTagsElement]) { self.elements = elements }

  public init(_ text: String) { elements = DocTagsReader.read(text) }

  /// Elements that pages repeat and that are not part of the document's text.
  static let furniture: Set<String> = ["page_header", "page_footer"]
}
