// SPDX-License-Identifier: Apache-2.0

extension ScalarKernels {
  /// RoPE of one head in place, NeoX halves: rotates the pair (x[i], x[i + headSize/2]) by angle i.
  /// `cosines`, `sines`: [headSize / 2]. `headSize` is even.
  package static func rotate(
    _ x: UnsafeMutablePointer<Float>, _ cosines: UnsafePointer<Float>, _ sines: UnsafePointer<Float>, _ headSize: Int
  ) {
    let half = headSize / 2
    for i in 0..<half {
      let (a, b) = (x[i], x[i + half])
      x[i] = (-(b * sines[i])).addingProduct(a, cosines[i])
      x[i + half] = (a * sines[i]).addingProduct(b, cosines[i])
    }
  }
}
