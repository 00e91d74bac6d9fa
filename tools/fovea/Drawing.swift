// SPDX-License-Identifier: Apache-2.0
import CFovea
import ImageCodecs
import Images
import Shims

/// A copy of an image with the slicing plan and places painted on it.
struct Drawing {
  let image: RGBImage
  /// Width of a place's outline in pixels, larger on larger images.
  private let thickness: Int

  /// Colours of places, in turn.
  static let palette: [(name: String, colour: RGBColour)] = [
    ("red", RGBColour(230, 25, 75)), ("green", RGBColour(40, 170, 70)), ("blue", RGBColour(0, 110, 230)),
    ("orange", RGBColour(245, 130, 30)), ("purple", RGBColour(145, 30, 180)), ("cyan", RGBColour(0, 170, 190)),
    ("magenta", RGBColour(220, 40, 200)), ("brown", RGBColour(150, 95, 30)),
  ]

  init(_ image: RGBImage) {
    self.image = image
    thickness = max(2, min(image.width, image.height) / 250)
  }

  /// Dashed lines, black and white, where the model cut the image.
  func paint(_ view: fovea_image_view) {
    guard view.row >= 0 else { return }
    let (left, top) = (Int(view.x.rounded()), Int(view.y.rounded()))
    outline(left, top, Int((view.x + view.width).rounded()) - 1, Int((view.y + view.height).rounded()) - 1, width: max(1, thickness / 2)) {
      $0 / (4 * thickness) % 2 == 0 ? RGBColour(255, 255, 255) : RGBColour.black
    }
  }

  /// The outline of a place, or a cross for a point.
  func paint(_ place: fovea_place, colour: RGBColour) {
    let (x, y) = (Int(place.x1), Int(place.y1))
    guard place.is_point != 0 else {
      return outline(x, y, Int(place.x2), Int(place.y2), width: thickness) { _ in colour }
    }
    for k in -4 * thickness...4 * thickness {
      for t in 0..<thickness {
        set(x + k, y + t, colour)
        set(x + t, y + k, colour)
      }
    }
  }

  private func outline(
    _ left: Int, _ top: Int, _ right: Int, _ bottom: Int, width: Int, _ colour: (_ along: Int) -> RGBColour
  ) {
    for t in 0..<width {
      for x in stride(from: max(left, 0), through: min(right, image.width - 1), by: 1) {
        set(x, top + t, colour(x))
        set(x, bottom - t, colour(x))
      }
      for y in stride(from: max(top, 0), through: min(bottom, image.height - 1), by: 1) {
        set(left + t, y, colour(y))
        set(right - t, y, colour(y))
      }
    }
  }

  private func set(_ x: Int, _ y: Int, _ colour: RGBColour) {
    guard x >= 0, y >= 0, x < image.width, y < image.height else { return }
    image[x, y] = colour
  }

  func write(png path: String) throws(LibraryError) {
    guard codecPNGWrite(path, image.pixels, UInt32(image.width), UInt32(image.height)) == 0 else {
      throw LibraryError(status: fovea_status(FOVEA_ERROR_IO), description: "\(path): cannot be written")
    }
  }
}
