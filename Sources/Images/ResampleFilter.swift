// SPDX-License-Identifier: Apache-2.0

import Shims

/// The filters of Pillow's `Image.resize`, by its names for them.
package enum ResampleFilter {
  case nearest, box, bilinear, bicubic

  /// Half the filter's width in source pixels, when nothing is made smaller.
  var support: Double {
    switch self {
    case .nearest, .box: return 0.5
    case .bilinear: return 1
    case .bicubic: return 2
    }
  }

  /// The filter's value at distance `x`; operations in Pillow's order, so that every double comes out the same.
  func callAsFunction(_ x: Double) -> Double {
    switch self {
    case .nearest, .box:
      return x > -0.5 && x <= 0.5 ? 1 : 0
    case .bilinear:
      let d = abs(x)
      return d < 1 ? 1 - d : 0
    case .bicubic:
      // Keys' cubic with a = −1/2.
      let a = -0.5
      let d = abs(x)
      if d < 1 { return ((a + 2) * d - (a + 3)) * d * d + 1 }
      if d < 2 { return (((d - 5) * d + 8) * d - 4) * a }
      return 0
    }
  }
}

/// How one side of an image is resampled: each output sample is a weighted sum of a run of input samples, the weights whole
/// numbers in units of 2⁻²². Antialiased: when the side shrinks, the filter is widened by as much.
final class ResampleWeights {
  /// Weights have this many bits after the point: 32 minus 8 for the sample, minus 2 because a filter may overshoot.
  static let precision: Int32 = 22

  let outputs: Int
  /// Weights set aside for each output; unused ones are 0.
  let taps: Int
  /// Output i uses inputs `first[i] ..< first[i] + count[i]` with the weights from `weights + i * taps`.
  let first, count, weights: UnsafeMutablePointer<Int32>

  init(from inputs: Int, to outputs: Int, filter: ResampleFilter) throws(ImageError) {
    let scale = Double(inputs) / Double(outputs)
    let filterScale = max(scale, 1)
    let support = filter.support * filterScale
    let taps = Int(support.rounded(.up)) * 2 + 1
    let (cells, overflows) = outputs.multipliedReportingOverflow(by: taps + 2)
    let (bytes, bytesOverflow) = cells.multipliedReportingOverflow(by: MemoryLayout<Int32>.stride)
    guard !overflows, !bytesOverflow, let memory = malloc(bytes) else { throw .outOfMemory(bytes: bytes) }
    guard let exact = malloc(taps * MemoryLayout<Double>.stride)?.bindMemory(to: Double.self, capacity: taps) else {
      free(memory)
      throw .outOfMemory(bytes: taps * MemoryLayout<Double>.stride)
    }
    defer { free(exact) }
    first = memory.bindMemory(to: Int32.self, capacity: cells)
    count = first + outputs
    weights = count + outputs
    self.outputs = outputs
    self.taps = taps

    let perInput = 1 / filterScale
    let unit = Double(1 << ResampleWeights.precision)
    for i in 0..<outputs {
      let center = (Double(i) + 0.5) * scale
      // Conversion to whole numbers cuts towards zero, as in C.
      let low = max(0, Int(center - support + 0.5))
      let high = min(inputs, Int(center + support + 0.5))
      let used = max(0, high - low)
      var sum = 0.0
      for j in 0..<used {
        let weight = filter((Double(j + low) - center + 0.5) * perInput)
        exact[j] = weight
        sum += weight
      }
      let into = weights + i * taps
      for j in 0..<used {
        let weight = (sum != 0 ? exact[j] / sum : exact[j]) * unit
        into[j] = Int32(weight < 0 ? weight - 0.5 : weight + 0.5)
      }
      for j in used..<taps { into[j] = 0 }
      first[i] = Int32(low)
      count[i] = Int32(used)
    }
  }

  deinit { free(first) }
}
