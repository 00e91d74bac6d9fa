// SPDX-License-Identifier: Apache-2.0

/// HTML without a head: the contents of `<body>`.
extension DocTags {
  public static let htmlBeginning = "<!DOCTYPE html>\n<html>\n<head><meta charset=\"utf-8\"></head>\n<body>\n"
  public static let htmlEnd = "\n</body>\n</html>\n"

  public var html: String { elements.compactMap(Self.html).joined(separator: "\n") }

  private static func html(_ e: DocTagsElement) -> String? {
    let inner = e.parts.compactMap(html).joined(separator: "\n")
    func tagged(_ name: String, _ attributes: String = "") -> String? {
      e.text.isEmpty && inner.isEmpty ? nil : "<\(name)\(attributes)>\(escaped(e.text))\(inner)</\(name)>"
    }
    if furniture.contains(e.kind) { return nil }
    switch e.kind {
    case "title": return tagged("h1")
    case "section_header": return tagged("h\(min(e.level + 1, 6))")
    case "code": return "<pre><code\(e.label.isEmpty ? "" : " class=\"language-\(escaped(e.label.lowercased()))\"")>\(escaped(e.text))</code></pre>"
    case "formula": return e.text.isEmpty ? nil : "<div class=\"formula\">$$\(escaped(e.text))$$</div>"
    case "caption": return tagged("figcaption")
    case "picture": return "<figure\(e.label.isEmpty ? "" : " class=\"\(escaped(e.label))\"")>\(image(e))\(inner)</figure>"
    case "unordered_list": return "<ul>\n\(inner)\n</ul>"
    case "ordered_list": return "<ol>\n\(inner)\n</ol>"
    case "list_item": return tagged("li")
    case "checkbox_selected": return "<p><input type=\"checkbox\" checked disabled> \(escaped(e.text))</p>"
    case "checkbox_unselected": return "<p><input type=\"checkbox\" disabled> \(escaped(e.text))</p>"
    case "page_break": return "<hr>"
    case "otsl", "document_index", "chart":
      guard let table = e.table else { return tagged("p") }
      return "<figure>\n\(image(e))\(inner.isEmpty ? "" : inner + "\n")\(self.table(table))\n</figure>"
    case "inline", "form", "key_value_region", "group": return tagged("div")
    default: return tagged("p")
    }
  }

  private static func image(_ e: DocTagsElement) -> String {
    e.file.isEmpty ? "" : "<img src=\"\(escaped(e.file))\" alt=\"\(escaped(e.label.isEmpty ? "figure" : e.label))\">"
  }

  private static func table(_ table: DocTagsTable) -> String {
    let rows = (0..<table.rows).map { row in
      "<tr>"
        + table.cells.filter { $0.row == row }.map { cell in
          let name = cell.isHeader ? "th" : "td"
          let spans = (cell.rows > 1 ? " rowspan=\"\(cell.rows)\"" : "") + (cell.columns > 1 ? " colspan=\"\(cell.columns)\"" : "")
          return "<\(name)\(spans)>\(escaped(cell.text))</\(name)>"
        }.joined() + "</tr>"
    }
    return "<table>\n\(rows.joined(separator: "\n"))\n</table>"
  }

  public static func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;").replacing("\"", with: "&quot;")
  }
}
