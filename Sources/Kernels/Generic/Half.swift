// SPDX-License-Identifier: Apache-2.0
#if HAS_LANES

/// IEEE f16 ↔ f32 by the conversion instructions, 16 values a step; exact to ScalarKernels.
extension VectorKernels {
  @export(interface)
  package static func halfToFloat(_ x: UnsafePointer<UInt16>, _ y: UnsafeMutablePointer<Float>, _ count: Int) {
    var i = 0
    while i + 16 <= count {
      Lanes(half: x + i).store(y + i)
      i += 16
    }
    if i < count { Lanes(half: x + i, count: count - i).store(y + i, count: count - i) }
  }

  @export(interface)
  package static func floatToHalf(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<UInt16>, _ count: Int) {
    var i = 0
    while i < count {
      let lanes = count - i < 16 ? count - i : 16
      Lanes(x + i, count: lanes).storeHalf(y + i, count: lanes)
      i += 16
    }
  }
}

#endif
