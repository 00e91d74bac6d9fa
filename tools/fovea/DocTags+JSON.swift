// SPDX-License-Identifier: Apache-2.0
import DocTags

extension DocTags {
  /// The elements of a page, as `--output-format json` prints them.
  var json: JSON { ["elements": .array(elements.map(Self.json))] }

  private static func json(_ e: DocTagsElement) -> JSON {
    var members: [(String, JSON)] = [("kind", .string(e.kind))]
    if e.level > 0 { members.append(("level", .int(e.level))) }
    if !e.label.isEmpty { members.append(("label", .string(e.label))) }
    if let box = e.box { members.append(("box_500", .array([box.left, box.top, box.right, box.bottom].map { .int($0) }))) }
    if !e.file.isEmpty { members.append(("file", .string(e.file))) }
    if !e.text.isEmpty { members.append(("text", .string(e.text))) }
    if let table = e.table {
      let cells = table.cells.map { c -> JSON in
        [
          "row": .int(c.row), "column": .int(c.column), "rows": .int(c.rows), "columns": .int(c.columns), "header": .bool(c.isHeader),
          "text": .string(c.text),
        ]
      }
      members += [("rows", .int(table.rows)), ("columns", .int(table.columns)), ("cells", .array(cells))]
    }
    if !e.parts.isEmpty { members.append(("parts", .array(e.parts.map(json)))) }
    return .object(members)
  }
}
