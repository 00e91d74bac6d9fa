// SPDX-License-Identifier: Apache-2.0

/// Finds the figures of a page whose text boxes are known: other connected printed areas.
public enum FigureAreas {
  /// Cells along the longer side; a cell has ink if one of its pixels is darker than paper.
  static let cells = 100
  /// Minimum share of the page that a figure covers, and minimum cells of each side: rules and marks are smaller.
  static let (leastShare, leastSide) = (0.015, 6)

  /// - Parameters:
  ///   - isInk: whether anything is printed in the cell, by column and row.
  ///   - texts: boxes of text, whose ink is ignored.
  /// - Returns: boxes in 500ths, from top to bottom.
  public static func find(columns: Int, rows: Int, texts: [DocTagsElement.Box], isInk: (Int, Int) -> Bool) -> [DocTagsElement.Box] {
    guard columns > 0, rows > 0 else { return [] }
    var ink = (0..<columns * rows).map { isInk($0 % columns, $0 / columns) }
    for box in texts {
      // One cell wider: letters extend beyond their lines' boxes.
      for row in stride(from: max(box.top * rows / 500 - 1, 0), through: min(box.bottom * rows / 500 + 1, rows - 1), by: 1) {
        for column in stride(from: max(box.left * columns / 500 - 1, 0), through: min(box.right * columns / 500 + 1, columns - 1), by: 1) {
          ink[row * columns + column] = false
        }
      }
    }
    var found: [DocTagsElement.Box] = []
    for start in ink.indices where ink[start] {
      var (left, top, right, bottom) = (columns, rows, 0, 0)
      var waiting = [start]
      ink[start] = false
      while let cell = waiting.popLast() {
        let (x, y) = (cell % columns, cell / columns)
        (left, top, right, bottom) = (min(left, x), min(top, y), max(right, x), max(bottom, y))
        // Cells up to two apart are connected: the parts of a drawing need not touch.
        for y in max(y - 2, 0)...min(y + 2, rows - 1) {
          for x in max(x - 2, 0)...min(x + 2, columns - 1) where ink[y * columns + x] {
            ink[y * columns + x] = false
            waiting.append(y * columns + x)
          }
        }
      }
      let (width, height) = (right - left + 1, bottom - top + 1)
      guard width >= leastSide, height >= leastSide, Double(width * height) >= leastShare * Double(columns * rows) else { continue }
      found.append(
        .init(left: left * 500 / columns, top: top * 500 / rows, right: (right + 1) * 500 / columns, bottom: (bottom + 1) * 500 / rows))
    }
    return found
  }

  /// Inserts figures among the elements of a page: each before the first element that begins below its middle.
  public static func insert(_ figures: [DocTagsElement.Box], into elements: inout [DocTagsElement]) {
    for figure in figures {
      let middle = (figure.top + figure.bottom) / 2
      let place = elements.firstIndex { ($0.box?.top ?? 0) >= middle } ?? elements.count
      elements.insert(DocTagsElement(kind: "picture", box: figure), at: place)
    }
  }
}
