// SPDX-License-Identifier: Apache-2.0
import Images

/// The parts of an image that tiles stretched over it show, row by row; the whole image last.
func tileAreas(_ image: RGBImage, rows: Int, columns: Int) -> [PixelRectangle] {
  let (width, height) = (Double(image.width) / Double(columns), Double(image.height) / Double(rows))
  var areas = (0..<rows * columns).map {
    PixelRectangle(x: width * Double($0 % columns), y: height * Double($0 / columns), width: width, height: height)
  }
  areas.append(PixelRectangle(x: 0, y: 0, width: Double(image.width), height: Double(image.height)))
  return areas
}

/// The plan of tiles, the whole image last, that follow each other from token `first` on.
func tilePlans(_ areas: [PixelRectangle], columns: Int, tokens: [Int], first: Int) -> [ViewPlan] {
  var next = first
  var plans: [ViewPlan] = []
  for (i, (area, count)) in zip(areas, tokens).enumerated() {
    let isWhole = i == areas.count - 1
    plans.append(
      ViewPlan(row: isWhole ? -1 : i / columns, column: isWhole ? -1 : i % columns, area: area, firstToken: next, tokens: count))
    next += count
  }
  return plans
}
