// SPDX-License-Identifier: Apache-2.0

import Shims

extension RGBImage {
  /// The image at another size, bit for bit as Pillow 13's `Image.resize((width, height), filter)` gives it for mode RGB: an
  /// antialiased convolution in fixed point, one side after the other, rounded to 8 bits in between. An unchanged side is
  /// not filtered; if neither changes, the result is this image itself.
  package func resized(width newWidth: Int, height newHeight: Int, filter: ResampleFilter) throws(ImageError) -> RGBImage {
    guard newWidth > 0, newHeight > 0 else {
      throw .badArgument(what: "An image cannot be resized to \(newWidth) × \(newHeight); both sides must be at least 1.")
    }
    // Past 2²⁴ Pillow's own sizes, which are floats, are no longer exact, and the weights alone would fill memory.
    guard max(max(width, height), max(newWidth, newHeight)) <= 1 << 24 else {
      throw .badArgument(what: "An image of \(width) × \(height) cannot be resized to \(newWidth) × \(newHeight): too long a side.")
    }
    if newWidth == width && newHeight == height { return self }
    if filter == .nearest { return try pickedNearest(width: newWidth, height: newHeight) }
    // Rounding in between makes the order visible. Pillow before 13 always went horizontally first.
    if height > newHeight && height - newHeight > 2 * (width - newWidth) {
      return try resampled(height: newHeight, filter).resampled(width: newWidth, filter)
    }
    return try resampled(width: newWidth, filter).resampled(height: newHeight, filter)
  }

  private func resampled(width newWidth: Int, _ filter: ResampleFilter) throws(ImageError) -> RGBImage {
    if newWidth == width { return self }
    let weights = try ResampleWeights(from: width, to: newWidth, filter: filter)
    let result = try RGBImage(unwrittenWidth: newWidth, height: height)
    for y in 0..<height { resampleRow(pixels + y * stride, weights, into: result.pixels + y * result.stride) }
    return result
  }

  private func resampled(height newHeight: Int, _ filter: ResampleFilter) throws(ImageError) -> RGBImage {
    if newHeight == height { return self }
    let weights = try ResampleWeights(from: height, to: newHeight, filter: filter)
    let result = try RGBImage(unwrittenWidth: width, height: newHeight)
    for y in 0..<newHeight {
      blendRows(
        pixels + Int(weights.first[y]) * stride, stride: stride, weights: weights.weights + y * weights.taps,
        count: Int(weights.count[y]), into: result.pixels + y * stride)
    }
    return result
  }

  /// Each result pixel is the source pixel its centre falls on. Positions are summed up, not multiplied out: the rounding
  /// of that sum decides pixels, and Pillow sums.
  private func pickedNearest(width newWidth: Int, height newHeight: Int) throws(ImageError) -> RGBImage {
    let result = try RGBImage(unwrittenWidth: newWidth, height: newHeight)
    guard let columns = malloc(newWidth * MemoryLayout<Int>.stride)?.bindMemory(to: Int.self, capacity: newWidth) else {
      throw .outOfMemory(bytes: newWidth * MemoryLayout<Int>.stride)
    }
    defer { free(columns) }
    let stepX = Double(width) / Double(newWidth), stepY = Double(height) / Double(newHeight)
    var position = stepX * 0.5
    for x in 0..<newWidth {
      columns[x] = min(Int(position), width - 1)
      position += stepX
    }
    position = stepY * 0.5
    for y in 0..<newHeight {
      let from = pixels + min(Int(position), height - 1) * stride
      var into = result.pixels + y * result.stride
      for x in 0..<newWidth {
        let pixel = from + 3 * columns[x]
        into[0] = pixel[0]
        into[1] = pixel[1]
        into[2] = pixel[2]
        into += 3
      }
      position += stepY
    }
    return result
  }
}

private let half: Int32 = 1 << (ResampleWeights.precision - 1)

/// A sum in units of 2⁻²², already holding one half, to the nearest sample.
@inline(__always) private func sample(_ sum: Int32) -> UInt8 {
  UInt8(truncatingIfNeeded: max(0, min(255, sum >> ResampleWeights.precision)))
}

/// The horizontal pass over one row.
private func resampleRow(_ row: UnsafePointer<UInt8>, _ w: ResampleWeights, into: UnsafeMutablePointer<UInt8>) {
  for x in 0..<w.outputs {
    var red = half, green = half, blue = half
    let weights = w.weights + x * w.taps
    var pixel = row + 3 * Int(w.first[x])
    for i in 0..<Int(w.count[x]) {
      let weight = weights[i]
      red &+= Int32(pixel[0]) &* weight
      green &+= Int32(pixel[1]) &* weight
      blue &+= Int32(pixel[2]) &* weight
      pixel += 3
    }
    into[3 * x] = sample(red)
    into[3 * x + 1] = sample(green)
    into[3 * x + 2] = sample(blue)
  }
}

/// The vertical pass for one result row: the weighted sum of `count` rows, `stride` bytes each and apart.
private func blendRows(
  _ rows: UnsafePointer<UInt8>, stride: Int, weights: UnsafePointer<Int32>, count: Int, into: UnsafeMutablePointer<UInt8>
) {
  var i = 0
  while i + 16 <= stride {
    var sums = SIMD16<Int32>(repeating: half)
    var p = UnsafeRawPointer(rows + i)
    for r in 0..<count {
      let samples = p.loadUnaligned(as: SIMD16<UInt8>.self)
      sums &+= SIMD16<Int32>(truncatingIfNeeded: samples) &* weights[r]
      p += stride
    }
    sums = (sums &>> ResampleWeights.precision).clamped(lowerBound: SIMD16(repeating: 0), upperBound: SIMD16(repeating: 255))
    UnsafeMutableRawPointer(into + i).storeBytes(of: SIMD16<UInt8>(truncatingIfNeeded: sums), as: SIMD16<UInt8>.self)
    i += 16
  }
  while i < stride {
    var sum = half
    var p = rows + i
    for r in 0..<count {
      sum &+= Int32(p[0]) &* weights[r]
      p += stride
    }
    into[i] = sample(sum)
    i += 1
  }
}
