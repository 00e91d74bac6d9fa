// SPDX-License-Identifier: Apache-2.0
#if HAS_LANES

extension VectorKernels {
  /// RoPE of one head in place, NeoX halves, 16 pairs a step; exact to ScalarKernels.
  @export(interface)
  package static func rotate(
    _ x: UnsafeMutablePointer<Float>, _ cosines: UnsafePointer<Float>, _ sines: UnsafePointer<Float>, _ headSize: Int
  ) {
    let half = headSize / 2
    var i = 0
    while i < half {
      let lanes = half - i < 16 ? half - i : 16
      let (a, b) = (Lanes(x + i, count: lanes), Lanes(x + half + i, count: lanes))
      let (cosine, sine) = (Lanes(cosines + i, count: lanes), Lanes(sines + i, count: lanes))
      (b * sine).subtractedFromProduct(a, cosine).store(x + i, count: lanes)
      (a * sine).addingProduct(b, cosine).store(x + half + i, count: lanes)
      i += 16
    }
  }
}

#endif
