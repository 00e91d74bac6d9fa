// SPDX-License-Identifier: Apache-2.0

import Shims

/// Resizes an image as its rows are read, bit for bit as OpenCV's `resize` with INTER_LINEAR does for 8-bit images: no antialiasing,
/// pixel centres aligned, weights in 11 bits. Halving both sides averages four pixels. It holds two rows of the image.
///
/// A rotated or mirrored image is resized in its stored orientation: an output pixel has the picture's four samples and weights.
final class LinearResampler: RowSink {
  private let along, across: LinearTaps
  private let swapsSides, halves: Bool
  private let place: PicturePlace
  private let bytes: Int
  private let ring, output: UnsafeMutablePointer<UInt8>
  private var received = 0
  private var made = 0

  static func workingBytes(width: Int, height: Int, storedWidth: Int) -> Int? {
    3 * (2 * storedWidth + max(width, height)) + (width + height) * 3 * MemoryLayout<Int32>.stride
  }

  /// - Parameters:
  ///   - image: the image's size, upright.
  ///   - width, height: the size it gets.
  init(
    _ image: ImageSize, width: Int, height: Int, _ orientation: Orientation, place: PicturePlace
  ) throws(ImageError) {
    self.place = place
    swapsSides = orientation.swapsSides
    halves = image.width == 2 * width && image.height == 2 * height
    let columns = try LinearTaps(from: image.width, to: width, dropsWeightAtEdges: true, isReversed: orientation.reversesX)
    let rows = try LinearTaps(from: image.height, to: height, dropsWeightAtEdges: false, isReversed: orientation.reversesY)
    (along, across) = swapsSides ? (rows, columns) : (columns, rows)
    bytes = 3 * (swapsSides ? image.height : image.width)
    let size = 2 * bytes + 3 * along.count
    guard let memory = block_allocate(size) else { throw .outOfMemory(source: "image", bytes: size) }
    ring = memory.bindMemory(to: UInt8.self, capacity: size)
    output = ring + 2 * bytes
  }

  deinit { block_free(ring) }

  func take(_ row: UnsafePointer<UInt8>, isStopped: () -> Bool) throws(ImageError) {
    let y = received
    received += 1
    guard made < across.count else { return }
    if y >= Int(min(across.first[made], across.second[made])) { memcpy(ring + y % 2 * bytes, row, bytes) }
    while made < across.count, Int(max(across.first[made], across.second[made])) < received {
      if isStopped() { throw .stopped }
      let target = place.isDense ? place.row(made) : output
      if halves { halve(into: target) } else { mix(into: target) }
      if !place.isDense { place.scatter(output, row: made, pixels: along.count) }
      made += 1
    }
  }

  private func halve(into target: UnsafeMutablePointer<UInt8>) {
    let (upper, lower) = (ring, ring + bytes)
    for x in 0..<along.count {
      for channel in 0..<3 {
        let i = 6 * x + channel
        target[3 * x + channel] = UInt8((Int(upper[i]) + Int(upper[i + 3]) + Int(lower[i]) + Int(lower[i + 3]) + 2) >> 2)
      }
    }
  }

  private func mix(into target: UnsafeMutablePointer<UInt8>) {
    let (one, other) = (ring + Int(across.first[made]) % 2 * bytes, ring + Int(across.second[made]) % 2 * bytes)
    let lineShare = across.weight[made]
    for x in 0..<along.count {
      let (first, second) = (3 * Int(along.first[x]), 3 * Int(along.second[x]))
      let share = along.weight[x]
      // As in OpenCV, columns are interpolated first and bits are dropped between the steps.
      let (s, t) = swapsSides ? (lineShare, share) : (share, lineShare)
      for channel in 0..<3 {
        let (a, d) = (Int32(one[first + channel]), Int32(other[second + channel]))
        let b = Int32(swapsSides ? other[first + channel] : one[second + channel])
        let c = Int32(swapsSides ? one[second + channel] : other[first + channel])
        let upper = (2048 &- s) &* a &+ s &* b
        let lower = (2048 &- s) &* c &+ s &* d
        let sum = (((2048 &- t) &* (upper >> 4)) >> 16) &+ ((t &* (lower >> 4)) >> 16)
        target[3 * x + channel] = UInt8(clamping: (sum &+ 2) >> 2)
      }
    }
  }
}

/// For each target index along one side, in stored order: two source indices, and the second one's weight in 2048ths.
private final class LinearTaps {
  let count: Int
  let first, second, weight: UnsafeMutablePointer<Int32>

  /// - Parameter dropsWeightAtEdges: past the edge the edge pixel gets the whole weight, not two parts of it, which matters because bits are
  ///   dropped between the steps. OpenCV does so horizontally only.
  init(from source: Int, to target: Int, dropsWeightAtEdges: Bool, isReversed: Bool) throws(ImageError) {
    let size = 3 * target * MemoryLayout<Int32>.stride
    guard let memory = block_allocate(size) else { throw .outOfMemory(source: "image", bytes: size) }
    count = target
    first = memory.bindMemory(to: Int32.self, capacity: 3 * target)
    second = first + target
    weight = second + target
    let scale = Double(source) / Double(target)
    for k in 0..<target {
      let i = isReversed ? target - 1 - k : k
      let position = Float((Double(i) + 0.5) * scale - 0.5)
      let index = Int(position.rounded(.down))
      var share = position - Float(index)
      if dropsWeightAtEdges, index < 0 || index >= source - 1 { share = 0 }
      let (one, other) = (min(max(index, 0), source - 1), min(max(index + 1, 0), source - 1))
      first[k] = Int32(truncatingIfNeeded: isReversed ? source - 1 - one : one)
      second[k] = Int32(truncatingIfNeeded: isReversed ? source - 1 - other : other)
      weight[k] = Int32((share * 2048).rounded(.toNearestOrEven))
    }
  }

  deinit { block_free(first) }
}
