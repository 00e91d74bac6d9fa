// SPDX-License-Identifier: Apache-2.0

/// A part of a document in DocTags, the markup that SmolDocling and granite-docling answer with (arXiv:2503.11576).
public struct DocTagsElement: Equatable {
  /// A box on the page, in 500ths of its sides.
  public struct Box: Equatable {
    public var left, top, right, bottom: Int

    public init(left: Int, top: Int, right: Int, bottom: Int) { (self.left, self.top, self.right, self.bottom) = (left, top, right, bottom) }
  }

  /// The tag's name, without a heading's level.
  public var kind: String
  /// Level of a heading, from 1.
  public var level = 0
  public var box: Box?
  /// Its own text, without that of its parts.
  public var text = ""
  /// For code and pictures: the language or the class.
  public var label = ""
  /// For a picture that was cut out of its page: the file, as the document refers to it.
  public var file = ""
  public var parts: [DocTagsElement] = []
  /// For a table.
  public var table: DocTagsTable?

  public init(kind: String, level: Int = 0, box: Box? = nil, text: String = "") {
    self.kind = kind
    self.level = level
    self.box = box
    self.text = text
  }

  /// Calls `body` with every picture that has a box, in document order.
  public mutating func forEachPlacedPicture(_ body: (inout DocTagsElement) -> Void) {
    if kind == "picture" || kind == "chart", box != nil { body(&self) }
    for i in parts.indices { parts[i].forEachPlacedPicture(body) }
  }
}

/// A table in OTSL (arXiv:2305.03393), with its cells merged.
public struct DocTagsTable: Equatable {
  public struct Cell: Equatable {
    public var text: String
    public var isHeader: Bool
    /// Position in the grid, and the rows and columns spanned.
    public var row, column: Int
    public var rows = 1, columns = 1
  }

  public var cells: [Cell] = []
  public private(set) var rows = 0, columns = 0

  /// The kind of a cell's tag.
  enum Mark {
    case filled, header, empty
    /// Belongs to the cell on its left, above it, or both.
    case left, up, cross
  }

  /// - Parameter grid: rows of marks and texts, possibly of different lengths.
  init(_ grid: [[(mark: Mark, text: String)]]) {
    rows = grid.count
    columns = grid.reduce(0) { max($0, $1.count) }
    func mark(_ row: Int, _ column: Int) -> Mark? {
      row < grid.count && column < grid[row].count ? grid[row][column].mark : nil
    }
    for (row, line) in grid.enumerated() {
      for (column, place) in line.enumerated() where [.filled, .header, .empty].contains(place.mark) {
        var cell = Cell(text: place.text, isHeader: place.mark == .header, row: row, column: column)
        while mark(row, column + cell.columns) == .left { cell.columns += 1 }
        while mark(row + cell.rows, column) == .up { cell.rows += 1 }
        cells.append(cell)
      }
    }
  }

  /// The texts of the whole grid; a merged cell's text is in all its positions.
  public var grid: [[String]] {
    var grid = Array(repeating: Array(repeating: "", count: columns), count: rows)
    for cell in cells {
      for row in cell.row..<min(cell.row + cell.rows, rows) {
        for column in cell.column..<min(cell.column + cell.columns, columns) { grid[row][column] = cell.text }
      }
    }
    return grid
  }
}
