// SPDX-License-Identifier: Apache-2.0
import Shims

/// One byte for each pixel, 0 or 1, column by column: regions are read in the order x, then y.
package final class Bitmap {
  package let width, height: Int
  private let bytes: UnsafeMutablePointer<UInt8>

  /// All pixels 0; nil where there is no memory or the sides make no sense.
  package init?(width: Int, height: Int) {
    let (count, overflow) = width.multipliedReportingOverflow(by: height)
    guard width > 0, height > 0, !overflow, let memory = calloc(count, 1) else { return nil }
    self.width = width
    self.height = height
    bytes = memory.assumingMemoryBound(to: UInt8.self)
  }

  /// A copy of a caller's rows, any byte but 0 being set.
  /// - Parameter stride: bytes from one row to the next, at least `width`.
  package convenience init?(rows: UnsafePointer<UInt8>, width: Int, height: Int, stride: Int) {
    self.init(width: width, height: height)
    for y in 0..<height {
      let row = rows + y * stride
      for x in 0..<width where row[x] != 0 { bytes[x * height + y] = 1 }
    }
  }

  deinit { free(bytes) }

  /// Column `x`, `height` bytes.
  func column(_ x: Int) -> UnsafePointer<UInt8> { UnsafePointer(bytes + x * height) }

  /// Sets the pixels of row `y` from column `first` to `last`, as far as they lie in the bitmap.
  func fill(row y: Int, _ first: Int, _ last: Int) {
    guard y >= 0, y < height else { return }
    for x in max(first, 0)..<max(min(last, width - 1) + 1, max(first, 0)) { bytes[x * height + y] = 1 }
  }
}
