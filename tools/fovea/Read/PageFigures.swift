// SPDX-License-Identifier: Apache-2.0
import DocTags
import Images

/// Cuts figures out of the picture of a page.
struct PageFigures {
  let page: Picture
  let decoding: DecodingOptions

  /// Writes a part of the page as PNG.
  /// - Parameter box: in 500ths of the page.
  func cut(_ box: DocTagsElement.Box, to path: String) throws {
    try page.withRows(decoding) { source in
      // A picture that is stored rotated must be held whole.
      let held = source.orientation.isUpright ? nil : try source.image(room: nil)
      let (width, height) = (held?.width ?? source.storedWidth, held?.height ?? source.storedHeight)
      func pixels(_ a: Int, _ b: Int, _ side: Int) -> Range<Int> {
        let (low, high) = (min(max(min(a, b), 0), 499), min(max(max(a, b), 1), 500))
        let first = low * side / 500
        return first..<max((high * side + 499) / 500, first + 1)
      }
      let (columns, rows) = (pixels(box.left, box.right, width), pixels(box.top, box.bottom, height))
      let file = try PNGFile(path: path, width: columns.count, height: rows.count)
      if let held {
        for y in rows { try file.append(held.pixels + y * held.stride + 3 * columns.lowerBound) }
      } else {
        try source.start(isStopped: { Interruption.isWanted })
        for y in 0..<rows.upperBound {
          let row = try source.next()
          if y >= rows.lowerBound { try file.append(row + 3 * columns.lowerBound) }
        }
      }
      try file.commit()
    }
  }

  /// Figures of a page with known text boxes, and its size in pixels.
  func find(texts: [DocTagsElement.Box]) throws -> (figures: [DocTagsElement.Box], width: Int, height: Int) {
    try page.withRows(decoding) { source in
      let (width, height) = (source.storedWidth, source.storedHeight)
      guard source.orientation.isUpright else { return ([], width, height) }
      let cell = max(max(width, height) / 100, 1)
      let (columns, rows) = ((width + cell - 1) / cell, (height + cell - 1) / cell)
      var ink = [Bool](repeating: false, count: columns * rows)
      try source.start(isStopped: { Interruption.isWanted })
      for y in 0..<height {
        let row = try source.next()
        for x in 0..<width where min(row[3 * x], row[3 * x + 1], row[3 * x + 2]) < 225 { ink[y / cell * columns + x / cell] = true }
      }
      return (FigureAreas.find(columns: columns, rows: rows, texts: texts) { ink[$1 * columns + $0] }, width, height)
    }
  }
}
