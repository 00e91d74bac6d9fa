// SPDX-License-Identifier: Apache-2.0

extension ScalarKernels {
  /// Depthwise 3×3 convolution, stride 1, zero padding, rows `firstRow ..< endRow` of the output.
  ///
  /// `x`, `y`: [height, width, channels], not overlapping; `weight`: [9, channels], kernel position ky·3 + kx outermost; `bias`: [channels].
  /// Lanes run over channels: f starts at the bias, then f ← fma(x, w, f) over the positions inside the image, ascending.
  package static func depthwise3x3(
    _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>, _ bias: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>,
    _ height: Int, _ width: Int, _ channels: Int, _ firstRow: Int, _ endRow: Int
  ) {
    for row in firstRow..<endRow {
      for column in 0..<width {
        let out = y + (row * width + column) * channels
        for channel in 0..<channels {
          var f = bias[channel]
          for ky in 0..<3 where row + ky >= 1 && row + ky <= height {
            for kx in 0..<3 where column + kx >= 1 && column + kx <= width {
              let pixel = x + ((row + ky - 1) * width + column + kx - 1) * channels
              f = f.addingProduct(pixel[channel], weight[(ky * 3 + kx) * channels + channel])
            }
          }
          out[channel] = f
        }
      }
    }
  }
}
