// SPDX-License-Identifier: Apache-2.0

/// A rectangle in whole pixels of an image.
struct PixelRectangle {
  let x, y, width, height: Int
}

/// A rectangle in fractions of an image's width and height, 0 … 1.
struct NormalisedBox: Equatable {
  var x1, y1, x2, y2: Double

  init(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double) { (self.x1, self.y1, self.x2, self.y2) = (x1, y1, x2, y2) }

  /// Nil unless these are four numbers, 0 … 1, and the area is positive.
  init?(_ numbers: [Double]) {
    guard numbers.count == 4, numbers.allSatisfy({ (0...1).contains($0) }), numbers[0] < numbers[2], numbers[1] < numbers[3] else {
      return nil
    }
    self.init(numbers[0], numbers[1], numbers[2], numbers[3])
  }

  static let whole = NormalisedBox(0, 0, 1, 1)

  /// Cells of a grid over the whole image, row by row.
  static func grid(rows: Int, columns: Int) -> [NormalisedBox] {
    (0..<rows * columns).map { i in
      let (row, column) = (Double(i / columns), Double(i % columns))
      return NormalisedBox(
        column / Double(columns), row / Double(rows), (column + 1) / Double(columns), (row + 1) / Double(rows))
    }
  }

  var area: Double { max(x2 - x1, 0) * max(y2 - y1, 0) }

  /// Intersection over union. The published pipeline adds one to every side although its boxes are fractions; that bug is not reproduced.
  func overlap(_ other: NormalisedBox) -> Double {
    let both = NormalisedBox(max(x1, other.x1), max(y1, other.y1), min(x2, other.x2), min(y2, other.y2)).area
    let union = area + other.area - both
    return union > 0 ? both / union : 0
  }

  /// Corners with three decimals, as in records.
  var rounded: [Double] { [x1, y1, x2, y2].map { ($0 * 1000).rounded() / 1000 } }
  var text: String { "[" + rounded.map { "\($0)" }.joined(separator: ", ") + "]" }

  /// The pixels it covers in an image, at least one.
  func pixels(width: Int, height: Int) -> PixelRectangle {
    func range(_ a: Double, _ b: Double, _ size: Int) -> (Int, Int) {
      let first = min(max(Int((a * Double(size)).rounded(.down)), 0), size - 1)
      return (first, max(min(Int((b * Double(size)).rounded(.up)), size), first + 1) - first)
    }
    let ((x, w), (y, h)) = (range(x1, x2, width), range(y1, y2, height))
    return PixelRectangle(x: x, y: y, width: w, height: h)
  }
}
