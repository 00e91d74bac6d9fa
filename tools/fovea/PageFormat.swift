// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import DocTags

/// Output format of answers: unchanged, or converted from DocTags; and the separator between pages.
enum PageFormat: String, ExpressibleByArgument, CaseIterable {
  /// A form feed between pages.
  case text
  /// A horizontal rule between pages.
  case markdown
  /// A LaTeX document with page breaks.
  case latex
  /// The model's own output, with a page break between pages.
  case doctags
  /// An HTML document.
  case html
  /// The elements of a page with their boxes; a list of pages.
  case json

  /// Whether it can be made of DocTags only.
  var needsDocTags: Bool { self == .html || self == .json }

  /// Whether DocTags are converted to it.
  var converts: Bool { needsDocTags || self == .markdown }

  var beginning: String {
    switch self {
    case .text, .markdown, .doctags: ""
    case .latex:
      "\\documentclass{article}\n\\usepackage{amsmath,amssymb,graphicx,multirow}\n\\begin{document}\n"
    case .html: DocTags.htmlBeginning
    case .json: "[\n"
    }
  }

  var between: String {
    switch self {
    case .text: "\n\u{C}"
    case .markdown: "\n\n---\n\n"
    case .latex: "\n\\newpage\n"
    case .doctags: "\n<page_break>\n"
    case .html: "\n<hr>\n"
    case .json: ",\n"
    }
  }

  var end: String {
    switch self {
    case .text, .markdown, .doctags: "\n"
    case .latex: "\n\\end{document}\n"
    case .html: DocTags.htmlEnd
    case .json: "\n]\n"
    }
  }

  /// An answer of a model that writes DocTags, in this format; text without any tags is one paragraph.
  func text(_ answer: String) -> String {
    switch self {
    case .text, .latex, .doctags: answer
    case .markdown: DocTags(answer).markdown
    case .html: DocTags(answer).html
    case .json: DocTags(answer).json.text()
    }
  }
}
