// SPDX-License-Identifier: Apache-2.0

/// Mean and standard deviation of each channel, of values 0 … 1.
package struct Normalisation {
  package let mean, std: (red: Double, green: Double, blue: Double)

  package init(mean: (red: Double, green: Double, blue: Double), std: (red: Double, green: Double, blue: Double)) {
    self.mean = mean
    self.std = std
  }

  /// The statistics CLIP was trained with.
  package static let clip = Normalisation(
    mean: (0.48145466, 0.4578275, 0.40821073), std: (0.26862954, 0.26130258, 0.27577711))
  /// ImageNet's statistics (DINOv2).
  package static let imageNet = Normalisation(mean: (0.485, 0.456, 0.406), std: (0.229, 0.224, 0.225))
}

extension RGBImage {
  /// Writes `[3, height, width]` floats, (u8 / 255 − mean) / std, with transformers' roundings (its numpy path): the sample times
  /// 1/255 in double, rounded to float; the rest in float.
  /// - Parameter into: room for 3 · height · width floats.
  package func normalise(into: UnsafeMutablePointer<Float>, _ n: Normalisation) {
    writePlane(0, into: into, mean: Float(n.mean.red), std: Float(n.std.red))
    writePlane(1, into: into + width * height, mean: Float(n.mean.green), std: Float(n.std.green))
    writePlane(2, into: into + 2 * width * height, mean: Float(n.mean.blue), std: Float(n.std.blue))
  }

  private func writePlane(_ channel: Int, into: UnsafeMutablePointer<Float>, mean: Float, std: Float) {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 256) { table in
      for value in 0..<256 {
        table[value] = (Float(Double(value) * (1.0 / 255.0)) - mean) / std
      }
      for y in 0..<height {
        let (from, line) = (pixels + y * stride + channel, into + y * width)
        for x in 0..<width { line[x] = table[Int(from[3 * x])] }
      }
    }
  }
}
