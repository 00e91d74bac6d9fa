// SPDX-License-Identifier: Apache-2.0
#if arch(arm64)
import Shims

/// int8 in quads on `sdot`, both operands signed.
enum Int8Product: QuadProduct {
  @inline(__always)
  static func adding(_ sum: IntegerLanes, _ w: IntegerLanes, _ x: IntegerLanes) -> IntegerLanes {
    IntegerLanes(
      fovea_add_quads_4(sum.a, w.a, x.a), fovea_add_quads_4(sum.b, w.b, x.b), fovea_add_quads_4(sum.c, w.c, x.c),
      fovea_add_quads_4(sum.d, w.d, x.d))
  }
}

/// 16 int32 in four registers.
struct IntegerLanes {
  var a, b, c, d: int32x4_t

  @inline(__always) init(_ a: int32x4_t, _ b: int32x4_t, _ c: int32x4_t, _ d: int32x4_t) {
    (self.a, self.b, self.c, self.d) = (a, b, c, d)
  }
  @inline(__always) init(repeating value: Int32) {
    let x = vdupq_n_s32(value)
    self.init(x, x, x, x)
  }
  @inline(__always) init() { self.init(repeating: 0) }
  /// 64 bytes.
  @inline(__always) init(_ p: UnsafeRawPointer) {
    self.init(fovea_load_int32_4(p), fovea_load_int32_4(p + 16), fovea_load_int32_4(p + 32), fovea_load_int32_4(p + 48))
  }
  /// The bits of `x` less those of `y`.
  @inline(__always) init(bitsOf x: Lanes, minus y: Lanes) {
    self = IntegerLanes(bitsOf: x) - IntegerLanes(bitsOf: y)
  }
  @inline(__always) private init(bitsOf x: Lanes) {
    self.init(
      vreinterpretq_s32_f32(x.a), vreinterpretq_s32_f32(x.b), vreinterpretq_s32_f32(x.c), vreinterpretq_s32_f32(x.d))
  }
  @inline(__always) func clamped(to limit: Int32) -> IntegerLanes {
    let (low, high) = (vdupq_n_s32(-limit), vdupq_n_s32(limit))
    return IntegerLanes(
      vminq_s32(vmaxq_s32(a, low), high), vminq_s32(vmaxq_s32(b, low), high), vminq_s32(vmaxq_s32(c, low), high),
      vminq_s32(vmaxq_s32(d, low), high))
  }
  @inline(__always) static func + (x: IntegerLanes, y: IntegerLanes) -> IntegerLanes {
    IntegerLanes(vaddq_s32(x.a, y.a), vaddq_s32(x.b, y.b), vaddq_s32(x.c, y.c), vaddq_s32(x.d, y.d))
  }
  @inline(__always) static func - (x: IntegerLanes, y: IntegerLanes) -> IntegerLanes {
    IntegerLanes(vsubq_s32(x.a, y.a), vsubq_s32(x.b, y.b), vsubq_s32(x.c, y.c), vsubq_s32(x.d, y.d))
  }
  @inline(__always) var sum: Int32 { vaddvq_s32(vaddq_s32(vaddq_s32(a, b), vaddq_s32(c, d))) }
  @inline(__always) var floats: Lanes { Lanes(vcvtq_f32_s32(a), vcvtq_f32_s32(b), vcvtq_f32_s32(c), vcvtq_f32_s32(d)) }

  @inline(__always) func store(_ p: UnsafeMutableRawPointer) {
    fovea_store_int32_4(p, a)
    fovea_store_int32_4(p + 16, b)
    fovea_store_int32_4(p + 32, c)
    fovea_store_int32_4(p + 48, d)
  }
  @inline(__always) private var lowBytes: int8x16_t { fovea_low_bytes_16(a, b, c, d) }
  @inline(__always) func storeLowBytes(_ p: UnsafeMutablePointer<Int8>) { fovea_store_bytes_16(p, lowBytes) }
  @inline(__always) func storeLowWords(_ p: UnsafeMutablePointer<Int16>) {
    fovea_store_words_8(p, fovea_low_words_8(a, b))
    fovea_store_words_8(p + 8, fovea_low_words_8(c, d))
  }
  /// The low words of self, and above them those of `high`.
  @inline(__always) func paired(_ high: IntegerLanes) -> IntegerLanes {
    IntegerLanes(fovea_paired_4(a, high.a), fovea_paired_4(b, high.b), fovea_paired_4(c, high.c), fovea_paired_4(d, high.d))
  }

  /// Each lane plus the products of its two int16 with those of `x`.
  @inline(__always) func addingPairs(_ w: IntegerLanes, _ x: IntegerLanes) -> IntegerLanes {
    IntegerLanes(
      fovea_add_pairs_4(a, w.a, x.a), fovea_add_pairs_4(b, w.b, x.b), fovea_add_pairs_4(c, w.c, x.c), fovea_add_pairs_4(d, w.d, x.d))
  }
  @inline(__always) static var quadOffset: Int32 { 0 }
  /// Bias subtracted from stored attention weights, 0 … 255, to make them signed.
  @inline(__always) static var weightOffset: Int32 { 128 }

  /// The low bytes of four keys' values in one quad.
  @inline(__always) static func storeBytes(
    _ a: IntegerLanes, _ b: IntegerLanes, _ c: IntegerLanes, _ d: IntegerLanes, to p: UnsafeMutablePointer<Int32>, step: Int
  ) {
    fovea_store_quads_16(p, a.lowBytes, b.lowBytes, c.lowBytes, d.lowBytes)
  }

  /// 64 weights less `weightOffset` to quads: lane i's of a, b, c and d together.
  /// - Returns: the sums of the weights, lane by lane.
  @inline(__always) static func storeWeights(
    _ a: Lanes, _ b: Lanes, _ c: Lanes, _ d: Lanes, dither: UnsafePointer<Int32>, to p: UnsafeMutablePointer<Int32>
  ) -> IntegerLanes {
    let wa = weights(a, fovea_dither_low_8(dither), fovea_dither_low_8(dither + 8))
    let wb = weights(b, fovea_dither_low_8(dither + 16), fovea_dither_low_8(dither + 24))
    let wc = weights(c, fovea_dither_high_8(dither), fovea_dither_high_8(dither + 8))
    let wd = weights(d, fovea_dither_high_8(dither + 16), fovea_dither_high_8(dither + 24))
    fovea_store_quads_16(p, wa.signed, wb.signed, wc.signed, wd.signed)
    let low = vaddq_u16(vaddl_u8(wa.low, wb.low), vaddl_u8(wc.low, wd.low))
    let high = vaddq_u16(vaddl_u8(wa.high, wb.high), vaddl_u8(wc.high, wd.high))
    return IntegerLanes(words: low, high)
  }

  /// 16 weights less `weightOffset`, four neighbours in a quad.
  @inline(__always) static func storeWeights(_ a: Lanes, dither: UnsafePointer<Int32>, to p: UnsafeMutablePointer<Int32>) -> IntegerLanes {
    let w = weights(a, fovea_dither_low_8(dither), fovea_dither_low_8(dither + 8))
    fovea_store_bytes_16(p, w.signed)
    return IntegerLanes(words: vmovl_u8(w.low), vmovl_u8(w.high))
  }

  @inline(__always) private init(words low: uint16x8_t, _ high: uint16x8_t) {
    let x = fovea_widen_words_16(low, high)
    self.init(x.val.0, x.val.1, x.val.2, x.val.3)
  }

  private struct Weights {
    let low, high: uint8x8_t
    @inline(__always) var signed: int8x16_t { fovea_signed_bytes_16(vcombine_u8(low, high)) }
  }

  /// 255 · 2^(−y / 4096) of the low words y, truncated after adding `dither` / 256.
  @inline(__always) private static func weights(_ y: Lanes, _ low: uint16x8_t, _ high: uint16x8_t) -> Weights {
    let (one, slope, curve) = (UInt16(bitPattern: weightOne), UInt16(bitPattern: weightSlope), UInt16(bitPattern: weightCurve))
    return Weights(low: fovea_weights_8(y.a, y.b, low, one, slope, curve), high: fovea_weights_8(y.c, y.d, high, one, slope, curve))
  }
}
#endif
