// SPDX-License-Identifier: Apache-2.0
import Runtime
import Shims

/// One byte per pixel, 0 or 1, column-major, since a region's pixels are read in the order x, then y.
package final class Bitmap {
  package let width, height: Int
  private let bytes: UnsafeMutablePointer<UInt8>
  /// Its share of a memory budget, given back with it.
  package var holding: MemoryHolding?

  /// All pixels 0; throws `outOfMemory` also where a side is not positive or their product overflows.
  package init(width: Int, height: Int) throws(RegionError) {
    let (count, overflow) = width.multipliedReportingOverflow(by: height)
    guard width > 0, height > 0, !overflow, let memory = calloc(count, 1) else { throw .outOfMemory(width: width, height: height) }
    self.width = width
    self.height = height
    bytes = memory.assumingMemoryBound(to: UInt8.self)
  }

  /// Copies a caller's row-major mask; every nonzero byte is set.
  /// - Parameter stride: bytes from one row to the next, at least `width`.
  package convenience init(
    rows: UnsafePointer<UInt8>, width: Int, height: Int, stride: Int, stop: StopSignal = StopSignal()
  ) throws(RegionError) {
    try self.init(width: width, height: height)
    // Transposed in tiles, so that whole cache lines of a column are written.
    let tile = 64
    for top in Swift.stride(from: 0, to: height, by: tile) {
      try Bitmap.check(stop)
      for left in Swift.stride(from: 0, to: width, by: tile) {
        for x in left..<min(left + tile, width) {
          let column = bytes + x * height
          for y in top..<min(top + tile, height) { column[y] = rows[y * stride + x] == 0 ? 0 : 1 }
        }
      }
    }
  }

  deinit { free(bytes) }

  /// Column `x`, `height` bytes.
  func column(_ x: Int) -> UnsafePointer<UInt8> { UnsafePointer(bytes + x * height) }

  /// Sets the pixels of row `y` whose column is in `columns`, which lies in the bitmap.
  func set(row y: Int, _ columns: Range<Int>) {
    for x in columns { bytes[x * height + y] = 1 }
  }

  /// Bounding box and number of the set pixels; nil where none is set.
  func extent(_ stop: StopSignal) throws(RegionError) -> (columns: ClosedRange<Int>, rows: ClosedRange<Int>, count: Int)? {
    var (left, right, top, bottom, count) = (width, -1, height, -1, 0)
    for x in 0..<width {
      if x & 15 == 0 { try Bitmap.check(stop) }
      let column = column(x)
      var set = 0
      for y in 0..<height { set += Int(column[y]) }
      guard set > 0 else { continue }
      count += set
      (left, right) = (min(left, x), x)
      var y = 0
      while y < top, column[y] == 0 { y += 1 }
      top = min(top, y)
      y = height - 1
      while y > bottom, column[y] == 0 { y -= 1 }
      bottom = max(bottom, y)
    }
    return right < 0 ? nil : (left...right, top...bottom, count)
  }

  static func check(_ stop: StopSignal) throws(RegionError) {
    do throws(RuntimeError) { try stop.check() } catch { throw .stopped(error) }
  }
}
