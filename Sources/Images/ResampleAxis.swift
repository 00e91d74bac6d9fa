// SPDX-License-Identifier: Apache-2.0

import Shims

/// One side of a resize, in the upright picture: `inputs` samples become `outputs`. Samples outside `image` have a constant colour; only the outputs
/// in `kept` are made.
package struct ResampledSide: Equatable {
  package var inputs: Int
  package var image: Range<Int>
  package var outputs: Int
  package var kept: Range<Int>

  /// A whole side of an image.
  package init(_ inputs: Int, to outputs: Int) {
    self.inputs = inputs
    self.outputs = outputs
    image = 0..<inputs
    kept = 0..<outputs
  }

  /// Inputs that an output may depend on. An unchanged side is not filtered.
  func taps(_ filter: ResampleFilter) -> Int {
    if inputs == outputs { return 1 }
    return Int((filter.support * max(Double(inputs) / Double(outputs), 1)).rounded(.up)) * 2 + 1
  }

  /// Inputs of the image that one output depends on, at most.
  func window(_ filter: ResampleFilter) -> Int { min(taps(filter), image.count) }

  /// Bytes of its weights; nil: overflow.
  func weightBytes(_ filter: ResampleFilter) -> Int? {
    let (cells, overflows) = kept.count.multipliedReportingOverflow(by: window(filter) + 4)
    let (bytes, bytesOverflow) = cells.multipliedReportingOverflow(by: MemoryLayout<Int32>.stride)
    return overflows || bytesOverflow ? nil : bytes
  }
}

/// The weights of one side: each output is a weighted sum of a run of samples, the weights whole numbers in units of 2⁻²², as Pillow
/// computes them. Antialiased: when the side shrinks, the filter is widened by as much.
///
/// Samples and outputs are numbered in stored order, so from the other end where the picture's side is reversed: mirrored sums are equal.
final class ResampleAxis {
  /// Weights have this many bits after the point: 32 minus 8 for the sample, minus 2 because a filter may overshoot.
  static let precision: Int32 = 22

  let outputs: Int
  /// Room for weights of each output; those past its count are unused.
  let taps: Int
  /// Output i uses samples `first[i] ..< first[i] + count[i]` of the image with the weights from `weights + i * taps`.
  let first, count, weights: UnsafeMutablePointer<Int32>
  /// The sum of output i's weights outside the image, and of all its weights.
  let outside, total: UnsafeMutablePointer<Int32>
  /// Samples that some output uses.
  let used: Range<Int>

  init(_ side: ResampledSide, filter: ResampleFilter, isReversed: Bool, isStopped: () -> Bool) throws(ImageError) {
    let scale = Double(side.inputs) / Double(side.outputs)
    let filterScale = max(scale, 1)
    let support = filter.support * filterScale
    let allTaps = side.taps(filter)
    outputs = side.kept.count
    taps = side.window(filter)
    guard let bytes = side.weightBytes(filter), let memory = block_allocate(bytes) else {
      throw .outOfMemory(source: "image", bytes: side.weightBytes(filter) ?? Int.max)
    }
    guard let exact = block_allocate(allTaps * MemoryLayout<Double>.stride)?.bindMemory(to: Double.self, capacity: allTaps) else {
      block_free(memory)
      throw .outOfMemory(source: "image", bytes: allTaps * MemoryLayout<Double>.stride)
    }
    defer { block_free(exact) }
    first = memory.bindMemory(to: Int32.self, capacity: bytes / MemoryLayout<Int32>.stride)
    count = first + outputs
    outside = count + outputs
    total = outside + outputs
    weights = total + outputs

    let perInput = 1 / filterScale
    let unit = Double(1 << ResampleAxis.precision)
    let length = side.image.count
    var lowest = length, highest = 0
    for k in 0..<outputs {
      // A weight takes some nanoseconds, and a side may have millions.
      if k & 63 == 0 && isStopped() { block_free(memory); throw .stopped }
      let i = isReversed ? side.kept.upperBound - 1 - k : side.kept.lowerBound + k
      let center = (Double(i) + 0.5) * scale
      // Conversion to integers truncates towards zero, as in C.
      var low = max(0, Int(center - support + 0.5))
      var high = min(side.inputs, Int(center + support + 0.5))
      if side.inputs == side.outputs { (low, high) = (i, i + 1) }
      var sum = 0.0
      for j in 0..<max(0, high - low) {
        let weight = side.inputs == side.outputs ? 1 : filter((Double(j + low) - center + 0.5) * perInput)
        exact[j] = weight
        sum += weight
      }
      let start = min(max(low, side.image.lowerBound), side.image.upperBound) - side.image.lowerBound
      let end = max(start, min(high, side.image.upperBound) - side.image.lowerBound)
      let into = weights + k * taps
      var inside: Int32 = 0, all: Int32 = 0
      for j in 0..<max(0, high - low) {
        let scaled = (sum != 0 ? exact[j] / sum : exact[j]) * unit
        let weight = Int32(scaled < 0 ? scaled - 0.5 : scaled + 0.5)
        all &+= weight
        let sample = low + j - side.image.lowerBound
        guard sample >= start, sample < end else { continue }
        inside &+= weight
        into[isReversed ? end - 1 - sample : sample - start] = weight
      }
      first[k] = Int32(truncatingIfNeeded: isReversed ? length - end : start)
      count[k] = Int32(truncatingIfNeeded: end - start)
      outside[k] = all &- inside
      total[k] = all
      if end > start {
        lowest = min(lowest, Int(first[k]))
        highest = max(highest, Int(first[k]) + end - start)
      }
    }
    used = min(lowest, highest)..<highest
  }

  deinit { block_free(first) }
}
