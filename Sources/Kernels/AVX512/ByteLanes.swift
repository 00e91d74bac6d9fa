// SPDX-License-Identifier: Apache-2.0
#if arch(x86_64)
import Shims

/// 64 bytes, of which the four of a lane belong to one row.
extension IntegerLanes {
  /// The 16 bytes at `p`, repeated in each quarter.
  @inline(__always) init(repeating16 p: UnsafePointer<UInt8>) { v = fovea_repeat_16_512(p) }
  /// Shifts words: the caller masks the bits that cross from one byte into its neighbour.
  @inline(__always) func shiftedLeft(_ bits: UInt32) -> IntegerLanes { IntegerLanes(_mm512_slli_epi16(v, bits)) }
  @inline(__always) func shiftedRight(_ bits: UInt32) -> IntegerLanes { IntegerLanes(_mm512_srli_epi16(v, bits)) }
  @inline(__always) func masked(_ mask: Int8) -> IntegerLanes { IntegerLanes(_mm512_and_si512(v, _mm512_set1_epi8(mask))) }
  @inline(__always) static func | (a: IntegerLanes, b: IntegerLanes) -> IntegerLanes { IntegerLanes(_mm512_or_si512(a.v, b.v)) }
  /// Look-up in the 16 bytes of a `repeating16`, by indices 0 … 15.
  @inline(__always) func lookedUp(_ numbers: IntegerLanes) -> IntegerLanes { IntegerLanes(_mm512_shuffle_epi8(v, numbers.v)) }
  /// Each lane plus the products of its four bytes (0 … 127) in `w` with the four int8 at `x`.
  @inline(__always) func addingBytes(_ w: IntegerLanes, _ x: UnsafeRawPointer) -> IntegerLanes {
    IntegerLanes(_mm512_dpbusd_epi32(v, w.v, _mm512_set1_epi32(x.assumingMemoryBound(to: Int32.self).pointee)))
  }
}
#endif
