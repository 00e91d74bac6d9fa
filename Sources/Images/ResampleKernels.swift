// SPDX-License-Identifier: Apache-2.0

private let half: Int32 = 1 << (ResampleAxis.precision - 1)

/// A sum in units of 2⁻²², already holding one half, to the nearest sample.
@inline(__always) private func sample(_ sum: Int32) -> UInt8 {
  UInt8(truncatingIfNeeded: max(0, min(255, sum >> ResampleAxis.precision)))
}

extension ResampleAxis {
  /// What output `i` is where all samples are `colour`.
  func flat(_ i: Int, _ colour: RGBColour) -> RGBColour {
    RGBColour(
      sample(half &+ total[i] &* Int32(colour.red)), sample(half &+ total[i] &* Int32(colour.green)),
      sample(half &+ total[i] &* Int32(colour.blue)))
  }

  /// Resamples along a row: `outputs` pixels from those that begin at `row`, outside of which everything is `colour`.
  func alongRow(_ row: UnsafePointer<UInt8>, outside colour: RGBColour, into: UnsafeMutablePointer<UInt8>) {
    let ground = (Int32(colour.red), Int32(colour.green), Int32(colour.blue))
    for x in 0..<outputs {
      let margin = outside[x]
      var red = half &+ margin &* ground.0, green = half &+ margin &* ground.1, blue = half &+ margin &* ground.2
      let weights = self.weights + x * taps
      var pixel = row + 3 * Int(first[x])
      for i in 0..<Int(count[x]) {
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

  /// Resamples across rows: output `y` of each of `bytes` columns.
  /// - Parameters:
  ///   - ring: the latest rows, row r in line r % `lines`, `bytes` bytes each.
  ///   - margin: `bytes` bytes that all rows outside the image hold.
  func acrossRows(
    _ y: Int, ring: UnsafePointer<UInt8>, lines: Int, bytes: Int, margin: UnsafePointer<UInt8>, into: UnsafeMutablePointer<UInt8>
  ) {
    let rows = Int(count[y]), weights = self.weights + y * taps, outside = self.outside[y]
    let begin = Int(first[y]) % lines
    // Two runs: to the ring's end, and on from its beginning.
    let before = min(rows, lines - begin)
    let start = ring + begin * bytes
    var i = 0
    while i + 16 <= bytes {
      var sums = SIMD16<Int32>(repeating: half)
      if outside != 0 { sums &+= wide(margin + i) &* outside }
      var p = start + i
      for r in 0..<before {
        sums &+= wide(p) &* weights[r]
        p += bytes
      }
      p = ring + i
      for r in before..<rows {
        sums &+= wide(p) &* weights[r]
        p += bytes
      }
      sums = (sums &>> ResampleAxis.precision).clamped(lowerBound: SIMD16(repeating: 0), upperBound: SIMD16(repeating: 255))
      UnsafeMutableRawPointer(into + i).storeBytes(of: SIMD16<UInt8>(truncatingIfNeeded: sums), as: SIMD16<UInt8>.self)
      i += 16
    }
    while i < bytes {
      var sum = half &+ outside &* Int32(margin[i])
      for r in 0..<rows {
        let line = r < before ? begin + r : r - before
        sum &+= Int32(ring[line * bytes + i]) &* weights[r]
      }
      into[i] = sample(sum)
      i += 1
    }
  }
}

@inline(__always) private func wide(_ p: UnsafePointer<UInt8>) -> SIMD16<Int32> {
  SIMD16<Int32>(truncatingIfNeeded: UnsafeRawPointer(p).loadUnaligned(as: SIMD16<UInt8>.self))
}
