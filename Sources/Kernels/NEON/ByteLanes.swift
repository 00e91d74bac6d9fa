// SPDX-License-Identifier: Apache-2.0
#if arch(arm64)
import Shims

/// 64 bytes, of which the four of a lane belong to one row.
extension IntegerLanes {
  /// The 16 bytes at `p`, repeated in each quarter.
  @inline(__always) init(repeating16 p: UnsafePointer<UInt8>) {
    let x = fovea_load_bytes_4(p)
    self.init(x, x, x, x)
  }
  /// The caller masks the bits that leave their byte: other instruction sets shift them into its neighbour.
  @inline(__always) func shiftedLeft(_ bits: Int8) -> IntegerLanes { shifted(bits) }
  @inline(__always) func shiftedRight(_ bits: Int8) -> IntegerLanes { shifted(-bits) }
  @inline(__always) private func shifted(_ bits: Int8) -> IntegerLanes {
    IntegerLanes(fovea_shift_bytes_4(a, bits), fovea_shift_bytes_4(b, bits), fovea_shift_bytes_4(c, bits), fovea_shift_bytes_4(d, bits))
  }
  @inline(__always) func masked(_ mask: Int8) -> IntegerLanes {
    IntegerLanes(fovea_mask_bytes_4(a, mask), fovea_mask_bytes_4(b, mask), fovea_mask_bytes_4(c, mask), fovea_mask_bytes_4(d, mask))
  }
  @inline(__always) static func | (x: IntegerLanes, y: IntegerLanes) -> IntegerLanes {
    IntegerLanes(vorrq_s32(x.a, y.a), vorrq_s32(x.b, y.b), vorrq_s32(x.c, y.c), vorrq_s32(x.d, y.d))
  }
  /// Look-up in the 16 bytes of a `repeating16`, by indices 0 … 15.
  @inline(__always) func lookedUp(_ numbers: IntegerLanes) -> IntegerLanes {
    IntegerLanes(
      fovea_look_up_4(a, numbers.a), fovea_look_up_4(b, numbers.b), fovea_look_up_4(c, numbers.c), fovea_look_up_4(d, numbers.d))
  }
  /// Each lane plus the products of its four bytes (0 … 127) in `w` with the four int8 at `x`.
  @inline(__always) func addingBytes(_ w: IntegerLanes, _ x: UnsafeRawPointer) -> IntegerLanes {
    let x = vdupq_n_s32(x.assumingMemoryBound(to: Int32.self).pointee)
    return IntegerLanes(fovea_add_quads_4(a, w.a, x), fovea_add_quads_4(b, w.b, x), fovea_add_quads_4(c, w.c, x), fovea_add_quads_4(d, w.d, x))
  }
}
#endif
