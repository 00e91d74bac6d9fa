// SPDX-License-Identifier: Apache-2.0
#if HAS_LANES

extension VectorKernels {
  /// Depthwise 3×3 convolution, zero padding, 16 channels a step; exact to ScalarKernels.
  @export(interface)
  package static func depthwise3x3(
    _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>, _ bias: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>,
    _ height: Int, _ width: Int, _ channels: Int, _ firstRow: Int, _ endRow: Int
  ) {
    var row = firstRow
    while row < endRow {
      let (firstKY, endKY) = (row == 0 ? 1 : 0, row == height - 1 ? 2 : 3)
      var column = 0
      while column < width {
        let (firstKX, endKX) = (column == 0 ? 1 : 0, column == width - 1 ? 2 : 3)
        let out = y + (row * width + column) * channels
        var channel = 0
        while channel < channels {
          let lanes = channels - channel < 16 ? channels - channel : 16
          var f = Lanes(bias + channel, count: lanes)
          var ky = firstKY
          while ky < endKY {
            let pixels = x + ((row + ky - 1) * width + column - 1) * channels + channel
            let weights = weight + ky * 3 * channels + channel
            var kx = firstKX
            while kx < endKX {
              f = f.addingProduct(Lanes(pixels + kx * channels, count: lanes), Lanes(weights + kx * channels, count: lanes))
              kx += 1
            }
            ky += 1
          }
          f.store(out + channel, count: lanes)
          channel += 16
        }
        column += 1
      }
      row += 1
    }
  }
}

#endif
