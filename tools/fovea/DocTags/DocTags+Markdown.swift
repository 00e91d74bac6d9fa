// SPDX-License-Identifier: Apache-2.0

/// CommonMark with GitHub's tables; formulas in dollar signs, merged cells repeated, page headers and footers omitted.
extension DocTags {
  public var markdown: String { elements.compactMap(Self.markdown).joined(separator: "\n\n") }

  private static func markdown(_ e: DocTagsElement) -> String? {
    let parts = e.parts.compactMap(markdown)
    func all(_ own: String) -> String? {
      let texts = (own.isEmpty ? [] : [own]) + parts
      return texts.isEmpty ? nil : texts.joined(separator: "\n\n")
    }
    if furniture.contains(e.kind) { return nil }
    switch e.kind {
    case "title": return "# " + line(e.text)
    case "section_header": return String(repeating: "#", count: min(e.level + 1, 6)) + " " + line(e.text)
    case "code": return fenced(e)
    case "formula": return e.text.isEmpty ? nil : "$$\(e.text)$$"
    case "picture" where !e.file.isEmpty: return all("![\(e.label.isEmpty ? "figure" : e.label)](\(e.file))")
    case "picture": return all("<!-- image\(e.label.isEmpty ? "" : ": " + e.label) -->")
    case "unordered_list", "ordered_list": return list(e, indent: "")
    case "list_item": return "- " + line(e.text)
    case "checkbox_selected": return "- [x] " + line(e.text)
    case "checkbox_unselected": return "- [ ] " + line(e.text)
    case "page_break": return "---"
    case "otsl", "document_index", "chart":
      guard let table = e.table else { return all(e.text) }
      let picture = e.file.isEmpty ? [] : ["![\(e.label.isEmpty ? e.kind : e.label)](\(e.file))"]
      return (picture + parts + [self.table(table)]).joined(separator: "\n\n")
    case "inline": return ([e.text] + parts).filter { !$0.isEmpty }.joined(separator: " ")
    default: return all(e.text)
    }
  }

  private static func line(_ text: String) -> String { text.split(whereSeparator: \.isNewline).joined(separator: " ") }

  private static func fenced(_ e: DocTagsElement) -> String {
    // A fence is longer than any run of its character inside.
    var (run, longest) = (0, 0)
    for character in e.text {
      run = character == "`" ? run + 1 : 0
      longest = max(longest, run)
    }
    let fence = String(repeating: "`", count: max(3, longest + 1))
    return "\(fence)\(e.label.lowercased())\n\(e.text)\(e.text.hasSuffix("\n") ? "" : "\n")\(fence)"
  }

  private static func list(_ e: DocTagsElement, indent: String) -> String {
    var (lines, number): ([String], Int) = ([], 1)
    for item in e.parts {
      if item.kind.hasSuffix("_list") {
        lines.append(list(item, indent: indent + "    "))
        continue
      }
      let mark = e.kind == "ordered_list" ? "\(number)." : "-"
      number += 1
      let inner = item.parts.filter { !$0.kind.hasSuffix("_list") }.compactMap(markdown)
      lines.append("\(indent)\(mark) " + ([line(item.text)] + inner).filter { !$0.isEmpty }.joined(separator: " "))
      lines += item.parts.filter { $0.kind.hasSuffix("_list") }.map { list($0, indent: indent + "    ") }
    }
    return lines.joined(separator: "\n")
  }

  private static func table(_ table: DocTagsTable) -> String {
    let rows = table.grid.map { "| " + $0.map { line($0).replacing("|", with: "\\|") }.joined(separator: " | ") + " |" }
    let rule = "|" + String(repeating: " --- |", count: table.columns)
    return ([rows[0], rule] + rows.dropFirst()).joined(separator: "\n")
  }
}
