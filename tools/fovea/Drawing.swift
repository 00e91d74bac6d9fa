// SPDX-License-Identifier: Apache-2.0
import CFovea
import Images
import Shims

/// Some rows of an image, on which the slicing plan and places are drawn. Coordinates are those of the whole image.
struct Drawing {
  private let band: RGBImage
  private let width, height: Int
  /// The rows in memory.
  private let rows: Range<Int>
  /// Line width of a place's outline in pixels, larger on larger images.
  private let thickness: Int

  /// Colours of places, used cyclically.
  static let palette: [(name: String, colour: RGBColour)] = [
    ("red", RGBColour(230, 25, 75)), ("green", RGBColour(40, 170, 70)), ("blue", RGBColour(0, 110, 230)),
    ("orange", RGBColour(245, 130, 30)), ("purple", RGBColour(145, 30, 180)), ("cyan", RGBColour(0, 170, 190)),
    ("magenta", RGBColour(220, 40, 200)), ("brown", RGBColour(150, 95, 30)),
  ]

  private init(_ band: RGBImage, rows: Range<Int>, of height: Int) {
    (self.band, self.rows, width, self.height) = (band, rows, band.width, height)
    thickness = max(2, min(width, height) / 250)
  }

  /// Approximate bytes of a band.
  private static let bandBytes = 1 << 20

  /// Calls `body` with the image in bands of some rows, from top to bottom; an image stored rotated, whose rows come in another order, is
  /// held whole.
  /// - Parameter room: most bytes for that.
  static func bands(of source: EncodedRows, room: Int?, _ body: (Drawing) throws -> Void) throws {
    guard source.orientation.isUpright else {
      let image = try source.image(room: room)
      return try body(Drawing(image, rows: 0..<image.height, of: image.height))
    }
    let (width, height) = (source.storedWidth, source.storedHeight)
    let band = try RGBImage(width: width, height: min(height, max(1, bandBytes / (3 * width))), colour: .black)
    try source.start(isStopped: { Interruption.isWanted })
    var first = 0
    while first < height {
      let rows = first..<min(first + band.height, height)
      for y in rows { (band.pixels + (y - first) * band.stride).update(from: try source.next(), count: 3 * width) }
      try body(Drawing(band, rows: rows, of: height))
      first = rows.upperBound
    }
  }

  /// Dashed black and white lines where the model cut the image.
  func paint(_ view: fovea_image_view) {
    guard view.row >= 0 else { return }
    let (left, top) = (Int(view.x.rounded()), Int(view.y.rounded()))
    outline(left, top, Int((view.x + view.width).rounded()) - 1, Int((view.y + view.height).rounded()) - 1, width: max(1, thickness / 2)) {
      $0 / (4 * thickness) % 2 == 0 ? RGBColour(255, 255, 255) : RGBColour.black
    }
  }

  /// The outline of a place, or a cross for a point.
  func paint(_ place: fovea_place, colour: RGBColour) {
    // Coordinates from the caller may be any number.
    func pixel(_ coordinate: Double) -> Int { coordinate.isFinite ? Int(min(max(coordinate, -1e6), 1e6)) : -1_000_000 }
    let (x, y) = (pixel(place.x1), pixel(place.y1))
    guard place.is_point != 0 else {
      return outline(x, y, pixel(place.x2), pixel(place.y2), width: thickness) { _ in colour }
    }
    for k in -4 * thickness...4 * thickness {
      for t in 0..<thickness {
        set(x + k, y + t, colour)
        set(x + t, y + k, colour)
      }
    }
  }

  /// The region of the question: the outline of a box, a cross, or the edge of a mask, yellow on black.
  func paint(_ region: fovea_region) {
    let yellow = RGBColour(255, 225, 25)
    var place = fovea_place()
    (place.x1, place.y1, place.x2, place.y2) = (region.x1, region.y1, region.x2, region.y2)
    switch Int(region.kind) {
    case FOVEA_REGION_BOX: paint(place, colour: yellow)
    case FOVEA_REGION_POINT:
      place.is_point = 1
      paint(place, colour: yellow)
    case FOVEA_REGION_MASK: paintEdge(of: region, yellow)
    default: break
    }
  }

  private func paintEdge(of region: fovea_region, _ colour: RGBColour) {
    guard let mask = region.mask else { return }
    let (width, height) = (Int(region.mask_width), Int(region.mask_height))
    func isInside(_ x: Int, _ y: Int) -> Bool { x >= 0 && y >= 0 && x < width && y < height && mask[y * width + x] != 0 }
    for y in stride(from: max(rows.lowerBound - thickness, 0), to: min(rows.upperBound, height), by: 1) {
      for x in 0..<width where isInside(x, y) {
        guard !(isInside(x - 1, y) && isInside(x + 1, y) && isInside(x, y - 1) && isInside(x, y + 1)) else { continue }
        for t in 0..<thickness { for s in 0..<thickness { set(x + s, y + t, colour) } }
      }
    }
  }

  private func outline(
    _ left: Int, _ top: Int, _ right: Int, _ bottom: Int, width: Int, _ colour: (_ along: Int) -> RGBColour
  ) {
    for t in 0..<width {
      for y in [top + t, bottom - t] where rows.contains(y) {
        for x in stride(from: max(left, 0), through: min(right, self.width - 1), by: 1) { set(x, y, colour(x)) }
      }
      for y in stride(from: max(top, rows.lowerBound), through: min(bottom, rows.upperBound - 1), by: 1) {
        set(left + t, y, colour(y))
        set(right - t, y, colour(y))
      }
    }
  }

  private func set(_ x: Int, _ y: Int, _ colour: RGBColour) {
    guard x >= 0, x < width, rows.contains(y) else { return }
    band[x, y - rows.lowerBound] = colour
  }

  func append(to file: PNGFile) throws {
    for y in 0..<rows.count { try file.append(band.pixels + y * band.stride) }
  }
}
