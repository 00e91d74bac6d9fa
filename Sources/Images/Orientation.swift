// SPDX-License-Identifier: Apache-2.0

/// How stored pixels lie in the upright picture: the eight orientations of Exif, 1 (as stored) to 8.
package struct Orientation: Equatable {
  /// Whether stored rows are columns of the picture.
  package let swapsSides: Bool
  /// Whether the picture's x and y run opposite to the stored side that they lie along.
  package let reversesX, reversesY: Bool

  package static let upright = Orientation(exif: 1)

  /// Other numbers than 1 … 8 count as 1.
  package init(exif number: Int) {
    swapsSides = (5...8).contains(number)
    reversesX = [2, 3, 6, 7].contains(number)
    reversesY = [3, 4, 7, 8].contains(number)
  }

  package var isUpright: Bool { !swapsSides && !reversesX && !reversesY }

  /// The picture's size for a stored one.
  package func size(width: Int, height: Int) -> (width: Int, height: Int) {
    swapsSides ? (height, width) : (width, height)
  }

  /// Where a stored image's pixels go in a picture of `width` × `height` pixels of 3 bytes whose rows are `stride` bytes apart:
  /// the byte of the first stored pixel, and how many bytes further the next one of its row and of its column are.
  func steps(width: Int, height: Int, stride: Int) -> (start: Int, alongRow: Int, alongColumn: Int) {
    let x = reversesX ? -3 : 3, y = reversesY ? -stride : stride
    let start = (reversesX ? 3 * (width - 1) : 0) + (reversesY ? stride * (height - 1) : 0)
    return swapsSides ? (start, y, x) : (start, x, y)
  }
}
