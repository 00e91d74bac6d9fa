// SPDX-License-Identifier: Apache-2.0
import Shims

/// Which rows of a picture hold anything. A page is cut where they hold nothing: between its lines of text.
///
/// A mark is a change from a pixel to the next along a row that is well above the picture's noise, four times its median change. Vertical
/// edges of `longestStroke` pixels and more are none: frames and rules run past lines of text and would join them.
package struct InkRows {
  package let width, height: Int
  /// Side of the cells that the numbers below count in: 1, more for very large pictures.
  private let cell: Int
  private let extents: InkExtents

  /// Rows and columns left around what is cut out.
  private static let margin = 8
  /// Fewest empty rows between two lines of text.
  private static let leastGap = 2

  init(_ map: InkMap, isStopped: () -> Bool) throws(ImageError) {
    (width, height, cell) = (map.width, map.height, map.cell)
    extents = try map.extents(isStopped: isStopped)
  }

  /// Rows at which `rows` are best cut into `parts`: in the middle of empty rows, near where parts would be of one height, rather where many are
  /// empty. Fewer where there are fewer places.
  package func cuts(_ rows: Range<Int>, parts: Int) -> [Int] {
    guard let inked = inked(rows), parts > 1 else { return [] }
    let height = Double(inked.count) / Double(parts)
    var best = [(row: Int, cost: Double)?](repeating: nil, count: parts - 1)
    for gap in gaps(inked) {
      let middle = Double(gap.lowerBound + gap.upperBound) / 2, width = cell * gap.count
      // The cut that it is nearest to.
      let nearest = min(max(Int(((middle - Double(inked.lowerBound)) / height).rounded()), 1), parts - 1)
      let away = (middle - Double(inked.lowerBound) - Double(nearest) * height) / height
      let cost = 2 * away * away - 0.02 * Double(min(width, 24))
      if cost < best[nearest - 1]?.cost ?? .infinity { best[nearest - 1] = (cell * (gap.lowerBound + gap.upperBound) / 2, cost) }
    }
    return best.compactMap { $0?.row }
  }

  /// Runs of empty rows of cells between others.
  private func gaps(_ inked: Range<Int>) -> [Range<Int>] {
    var found: [Range<Int>] = []
    var start: Int?
    for row in inked {
      if extents.isEmpty(row) {
        start = start ?? row
      } else if let from = start {
        if cell * (row - from) >= Self.leastGap { found.append(from..<row) }
        start = nil
      }
    }
    return found
  }

  /// What `rows` hold, with a margin: a rectangle of the picture. Nil: nothing.
  package func content(_ rows: Range<Int>) -> (columns: Range<Int>, rows: Range<Int>)? {
    guard let inked = inked(rows) else { return nil }
    var (left, right) = (width, 0)
    for row in inked where !extents.isEmpty(row) { (left, right) = (min(left, Int(extents.first[row])), max(right, Int(extents.last[row]))) }
    return (
      max(cell * left - Self.margin, 0)..<min(cell * (right + 1) + 1 + Self.margin, width),
      max(cell * inked.lowerBound - Self.margin, rows.lowerBound)..<min(cell * inked.upperBound + Self.margin, rows.upperBound)
    )
  }

  /// The rows of cells from the first to the last that has marks.
  private func inked(_ rows: Range<Int>) -> Range<Int>? {
    let cells = rows.lowerBound / cell..<min(dividedUp(rows.upperBound, cell), extents.rows)
    guard let top = cells.first(where: { !extents.isEmpty($0) }), let bottom = cells.last(where: { !extents.isEmpty($0) }) else { return nil }
    return top..<bottom + 1
  }
}

extension RowSource {
  /// Reads the picture once for the rows that hold anything.
  /// - Parameters:
  ///   - room: bytes that it may take; nil: no limit.
  ///   - isStopped: asked between rows; true ends the work with `ImageError.stopped`.
  package func inkRows(room: Int? = nil, isStopped: @escaping () -> Bool = { false }) throws(ImageError) -> InkRows {
    // Rows of a turned picture are columns as they are stored.
    if orientation != .upright {
      let image = try image(room: room, isStopped: isStopped)
      return try PixelRows(image).inkRows(room: room.map { $0 - 3 * image.width * image.height }, isStopped: isStopped)
    }
    do throws(ImageError) {
      let map = try InkMap(size, room: room.map { $0 - workingBytes })
      try read(into: [map], isStopped)
      return try InkRows(map, isStopped: isStopped)
    } catch { throw error.naming(name) }
  }
}

/// Of each row of cells the columns of its first and last mark.
final class InkExtents {
  let rows: Int
  let first, last: UnsafeMutablePointer<Int32>

  init(rows: Int, columns: Int) throws(ImageError) {
    let bytes = 2 * rows * MemoryLayout<Int32>.stride
    guard let memory = block_allocate(bytes) else { throw .outOfMemory(source: "image", bytes: bytes) }
    self.rows = rows
    first = memory.bindMemory(to: Int32.self, capacity: 2 * rows)
    last = first + rows
    first.update(repeating: Int32(columns), count: rows)
    last.update(repeating: -1, count: rows)
  }

  deinit { block_free(first) }

  func isEmpty(_ row: Int) -> Bool { last[row] < first[row] }
}

/// Changes along the rows of a picture: of each cell the largest.
final class InkMap: RowSink {
  let width, height, cell: Int
  private let columns, rows: Int
  private let changes: UnsafeMutablePointer<UInt8>
  private var counts = [Int](repeating: 0, count: 256)
  private var given = 0

  /// A picture of more pixels is seen in cells of several.
  private static let mostCells = 1 << 24
  /// Pixels.
  private static let longestStroke = 48
  /// Least change that counts, of 255.
  private static let leastChange = 16

  init(_ size: ImageSize, room: Int?) throws(ImageError) {
    (width, height) = (size.width, size.height)
    var cell = 1
    while dividedUp(width, cell) * dividedUp(height, cell) > Self.mostCells { cell += 1 }
    (self.cell, columns, rows) = (cell, dividedUp(width, cell), dividedUp(height, cell))
    let bytes = columns * rows
    if let room, bytes > room { throw .overBudget(source: "image", width: width, height: height, bytes: bytes, room: room) }
    guard let memory = block_allocate(bytes) else { throw .outOfMemory(source: "image", bytes: bytes) }
    memset(memory, 0, bytes)
    changes = memory.bindMemory(to: UInt8.self, capacity: bytes)
  }

  deinit { block_free(changes) }

  func take(_ row: UnsafePointer<UInt8>, isStopped: () -> Bool) throws(ImageError) {
    var cells = changes + given / cell * columns
    given += 1
    var before = Int32(row[0]) + Int32(row[1]) + Int32(row[2])
    var pixel = row + 3
    var left = cell
    counts.withUnsafeMutableBufferPointer { counts in
      for _ in 1..<max(width, 1) {
        let grey = Int32(pixel[0]) + Int32(pixel[1]) + Int32(pixel[2])
        let change = UInt8(truncatingIfNeeded: abs(grey - before) / 3)
        counts[Int(change)] += 1
        if change > cells[0] { cells[0] = change }
        before = grey
        pixel += 3
        left -= 1
        if left == 0 { (cells, left) = (cells + 1, cell) }
      }
    }
  }

  /// What the rows hold. Overwrites the changes.
  func extents(isStopped: () -> Bool) throws(ImageError) -> InkExtents {
    let (least, longest) = (UInt8(min(255, max(Self.leastChange, 4 * median + 8))), UInt8(max(2, Self.longestStroke / cell)))
    // Cells become the length of the stroke down to them, 0 where there is no mark.
    for row in 0..<rows {
      if isStopped() { throw .stopped }
      let cells = changes + row * columns, above = cells - columns
      for x in 0..<columns { cells[x] = cells[x] > least ? row == 0 ? 1 : min(above[x] + 1, longest) : 0 }
    }
    let extents = try InkExtents(rows: rows, columns: columns)
    for row in stride(from: rows - 1, through: 0, by: -1) {
      if isStopped() { throw .stopped }
      let cells = changes + row * columns
      for x in 0..<columns where cells[x] > 0 {
        // A long stroke is long from its lower end up.
        if row + 1 < rows, cells[columns + x] == longest { cells[x] = longest }
        if cells[x] == longest { continue }
        extents.first[row] = min(extents.first[row], Int32(x))
        extents.last[row] = Int32(x)
      }
    }
    return extents
  }

  private var median: Int {
    var left = (counts.reduce(0, +) + 1) / 2
    for (change, count) in counts.enumerated() {
      left -= count
      if left <= 0 { return change }
    }
    return 0
  }
}
