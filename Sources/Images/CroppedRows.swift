// SPDX-License-Identifier: Apache-2.0

/// A rectangle of another source's picture, as a picture of its own: rows before it are read and skipped, those after it never read.
package final class CroppedRows: RowSource {
  package let storedWidth, storedHeight: Int
  package var name: String { source.name }
  package var orientation: Orientation { source.orientation }
  package var workingBytes: Int { source.workingBytes }
  private let source: any RowSource
  /// Stored rows above the rectangle, and stored pixels left of it.
  private let above, before: Int
  private var isStopped: () -> Bool = { false }
  private var given = 0

  /// - Parameter x, y: of the rectangle's top left pixel in the upright picture, inside of which it lies.
  package init(_ source: any RowSource, x: Int, y: Int, width: Int, height: Int) throws(ImageError) {
    let whole = source.size
    guard x >= 0, y >= 0, width > 0, height > 0, x <= whole.width, y <= whole.height, width <= whole.width - x, height <= whole.height - y
    else {
      throw .badArgument(
        what: "\(source.name): has \(whole.width) × \(whole.height) pixels; the crop of \(width) × \(height) at \(x), \(y) is not inside of them.")
    }
    self.source = source
    let turn = source.orientation
    let left = turn.reversesX ? whole.width - width - x : x, top = turn.reversesY ? whole.height - height - y : y
    (before, above) = turn.swapsSides ? (top, left) : (left, top)
    (storedWidth, storedHeight) = turn.swapsSides ? (height, width) : (width, height)
  }

  package func start(isStopped: @escaping () -> Bool) throws(ImageError) {
    (self.isStopped, given) = (isStopped, 0)
    try source.start(isStopped: isStopped)
  }

  package func next() throws(ImageError) -> UnsafePointer<UInt8> {
    if given == 0 {
      for _ in 0..<above {
        if isStopped() { throw .stopped }
        _ = try source.next()
      }
    }
    guard given < storedHeight else { throw .badArgument(what: "\(name): has no more rows.") }
    given += 1
    return try source.next() + 3 * before
  }
}
