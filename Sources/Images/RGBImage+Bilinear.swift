// SPDX-License-Identifier: Apache-2.0

import Shims

extension RGBImage {
  /// The image at another size, bit for bit as OpenCV's `resize` with INTER_LINEAR gives it for 8-bit images: no antialiasing,
  /// pixel centres aligned, weights in 11 bits. Halving both sides averages four pixels.
  package func resizedBilinear(width newWidth: Int, height newHeight: Int) throws(ImageError) -> RGBImage {
    guard newWidth > 0, newHeight > 0 else {
      throw .badArgument(what: "An image cannot be resized to \(newWidth) × \(newHeight); both sides must be at least 1.")
    }
    guard max(max(width, height), max(newWidth, newHeight)) <= 1 << 24 else {
      throw .badArgument(what: "An image of \(width) × \(height) cannot be resized to \(newWidth) × \(newHeight): too long a side.")
    }
    if newWidth == width && newHeight == height { return self }
    let result = try RGBImage(unwrittenWidth: newWidth, height: newHeight)
    if width == 2 * newWidth, height == 2 * newHeight {
      halve(into: result)
      return result
    }
    let columns = LinearTaps(from: width, to: newWidth, dropsWeightAtEdges: true)
    let rows = LinearTaps(from: height, to: newHeight, dropsWeightAtEdges: false)
    let bytes = 2 * result.stride * MemoryLayout<Int32>.stride
    guard let memory = malloc(bytes) else { throw .outOfMemory(bytes: bytes) }
    defer { free(memory) }
    let upper = memory.bindMemory(to: Int32.self, capacity: 2 * result.stride)
    let lower = upper + result.stride
    for y in 0..<newHeight {
      let (first, second) = (rows.first[y], rows.second[y])
      mixColumns(of: first, columns, into: upper)
      mixColumns(of: second, columns, into: lower)
      let (a, b) = (Int32(2048 - rows.weight[y]), Int32(rows.weight[y]))
      let target = result.pixels + y * result.stride
      for i in 0..<result.stride {
        // OpenCV drops bits between its steps; so do we.
        target[i] = UInt8(clamping: (((a &* (upper[i] >> 4)) >> 16) &+ ((b &* (lower[i] >> 4)) >> 16) &+ 2) >> 2)
      }
    }
    return result
  }

  /// Row `y` at the new width, times 2048.
  private func mixColumns(of y: Int, _ taps: LinearTaps, into target: UnsafeMutablePointer<Int32>) {
    let row = pixels + y * stride
    for x in 0..<taps.first.count {
      let (first, second) = (3 * taps.first[x], 3 * taps.second[x])
      let (a, b) = (Int32(2048 - taps.weight[x]), Int32(taps.weight[x]))
      for channel in 0..<3 { target[3 * x + channel] = a &* Int32(row[first + channel]) &+ b &* Int32(row[second + channel]) }
    }
  }

  private func halve(into result: RGBImage) {
    for y in 0..<result.height {
      let (upper, lower) = (pixels + 2 * y * stride, pixels + (2 * y + 1) * stride)
      for x in 0..<result.width {
        for channel in 0..<3 {
          let i = 6 * x + channel
          let sum = Int(upper[i]) + Int(upper[i + 3]) + Int(lower[i]) + Int(lower[i + 3])
          result.pixels[y * result.stride + 3 * x + channel] = UInt8((sum + 2) >> 2)
        }
      }
    }
  }
}

/// For each target index along one side: two source indices, and the second one's share in 2048ths.
private struct LinearTaps {
  var first: [Int] = []
  var second: [Int] = []
  var weight: [Int] = []

  /// - Parameter dropsWeightAtEdges: past the edge the edge pixel counts alone, not in two shares; the bits that are dropped in between
  ///   make that visible. OpenCV does so horizontally only.
  init(from source: Int, to target: Int, dropsWeightAtEdges: Bool) {
    let scale = Double(source) / Double(target)
    for i in 0..<target {
      let position = Float((Double(i) + 0.5) * scale - 0.5)
      let index = Int(position.rounded(.down))
      var share = position - Float(index)
      if dropsWeightAtEdges, index < 0 || index >= source - 1 { share = 0 }
      first.append(min(max(index, 0), source - 1))
      second.append(min(max(index + 1, 0), source - 1))
      weight.append(Int((share * 2048).rounded(.toNearestOrEven)))
    }
  }
}
