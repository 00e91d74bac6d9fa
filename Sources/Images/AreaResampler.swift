// SPDX-License-Identifier: Apache-2.0

import Shims

/// Resizes an image as its rows are read, bit for bit as Pillow 13's `Image.resize((width, height), filter)` does for mode RGB: a separable
/// antialiased convolution in fixed point, rounded to 8 bits between the passes. It holds as many rows as one output row depends on.
///
/// A rotated or mirrored image is resized in its stored orientation: each stored side takes the weights of the picture's side that it becomes,
/// mirrored sums being equal, and the passes keep the picture's order.
final class AreaResampler: RowSink {
  /// The two passes over a stored image.
  struct Passes {
    let filter: ResampleFilter
    /// The sides along and across the stored rows.
    let along, across: ResampledSide
    let reversesAlong, reversesAcross: Bool
    /// Whether the pass along rows is the first; else the pass across them is.
    let startsAlong: Bool

    init(_ filter: ResampleFilter, columns: ResampledSide, rows: ResampledSide, _ orientation: Orientation) {
      self.filter = filter
      // The order matters because of the rounding between the passes. Pillow before 13 always went along the rows first.
      let removedRows = rows.inputs - rows.outputs
      let startsUpright = !(removedRows > 0 && removedRows > 2 * (columns.inputs - columns.outputs))
      let isSwapped = orientation.swapsSides
      (along, across) = isSwapped ? (rows, columns) : (columns, rows)
      (reversesAlong, reversesAcross) =
        isSwapped ? (orientation.reversesY, orientation.reversesX) : (orientation.reversesX, orientation.reversesY)
      startsAlong = startsUpright != isSwapped
    }

    /// Most bytes of a row that is kept.
    var lineBytes: Int { 3 * (startsAlong ? along.kept.count : along.image.count) }
    var lines: Int { across.window(filter) }

    var workingBytes: Int? {
      guard let a = along.weightBytes(filter), let b = across.weightBytes(filter) else { return nil }
      let (ring, overflows) = lineBytes.multipliedReportingOverflow(by: lines + 2)
      let (weights, weightsOverflow) = a.addingReportingOverflow(b)
      let (sum, sumOverflows) = ring.addingReportingOverflow(weights)
      let (all, allOverflow) = sum.addingReportingOverflow(3 * along.kept.count)
      return overflows || weightsOverflow || sumOverflows || allOverflow ? nil : all
    }
  }

  private let passes: Passes
  private let along, across: ResampleAxis
  private let colour: RGBColour
  private let place: PicturePlace
  /// Bytes of one line of the ring buffer and of each other buffer; lines of the ring buffer.
  private let bytes, lines: Int
  private let ring, margin, blended, output: UnsafeMutablePointer<UInt8>
  private var received = 0
  private var made = 0

  init(_ passes: Passes, colour: RGBColour, place: PicturePlace, isStopped: () -> Bool) throws(ImageError) {
    self.passes = passes
    self.colour = colour
    self.place = place
    along = try ResampleAxis(passes.along, filter: passes.filter, isReversed: passes.reversesAlong, isStopped: isStopped)
    across = try ResampleAxis(passes.across, filter: passes.filter, isReversed: passes.reversesAcross, isStopped: isStopped)
    bytes = 3 * (passes.startsAlong ? along.outputs : along.used.count)
    lines = passes.lines
    let size = max(1, bytes * (lines + 2)) + 3 * along.outputs
    guard let memory = block_allocate(size) else { throw .outOfMemory(source: "image", bytes: size) }
    ring = memory.bindMemory(to: UInt8.self, capacity: size)
    margin = ring + bytes * lines
    blended = margin + bytes
    output = blended + bytes
    for x in 0..<bytes / 3 {
      let flat = passes.startsAlong ? along.flat(x, colour) : colour
      (margin[3 * x], margin[3 * x + 1], margin[3 * x + 2]) = (flat.red, flat.green, flat.blue)
    }
  }

  deinit { block_free(ring) }

  func take(_ row: UnsafePointer<UInt8>, isStopped: () -> Bool) throws(ImageError) {
    let y = received
    received += 1
    guard made < across.outputs else { return }
    if y >= Int(across.first[made]) {
      let line = ring + y % lines * bytes
      if passes.startsAlong {
        along.alongRow(row, outside: colour, into: line)
      } else {
        memcpy(line, row + 3 * along.used.lowerBound, bytes)
      }
    }
    while made < across.outputs, Int(across.first[made]) + Int(across.count[made]) <= received {
      if isStopped() { throw .stopped }
      make()
    }
  }

  private func make() {
    let target = place.isDense ? place.row(made) : output
    if passes.startsAlong {
      across.acrossRows(made, ring: ring, lines: lines, bytes: bytes, margin: margin, into: target)
    } else {
      across.acrossRows(made, ring: ring, lines: lines, bytes: bytes, margin: margin, into: blended)
      along.alongRow(blended - 3 * along.used.lowerBound, outside: across.flat(made, colour), into: target)
    }
    if !place.isDense { place.scatter(output, row: made, pixels: along.outputs) }
    made += 1
  }
}
