// SPDX-License-Identifier: Apache-2.0
#if arch(x86_64)
import Shims

/// 64 bytes, of which the four of a lane belong to one row. Also compiled into KernelsAVXVNNI.
extension IntegerLanes {
  /// The 16 bytes at `p`, repeated in each quarter.
  @inline(__always) init(repeating16 p: UnsafePointer<UInt8>) {
    let bytes = fovea_repeat_16_256(p)
    self.init(bytes, bytes)
  }
  /// Shifts words: the caller masks the bits that cross from one byte into its neighbour.
  @inline(__always) func shiftedLeft(_ bits: Int32) -> IntegerLanes { IntegerLanes(_mm256_slli_epi16(a, bits), _mm256_slli_epi16(b, bits)) }
  @inline(__always) func shiftedRight(_ bits: Int32) -> IntegerLanes { IntegerLanes(_mm256_srli_epi16(a, bits), _mm256_srli_epi16(b, bits)) }
  @inline(__always) func masked(_ mask: Int8) -> IntegerLanes {
    let mask = _mm256_set1_epi8(mask)
    return IntegerLanes(_mm256_and_si256(a, mask), _mm256_and_si256(b, mask))
  }
  @inline(__always) static func | (x: IntegerLanes, y: IntegerLanes) -> IntegerLanes {
    IntegerLanes(_mm256_or_si256(x.a, y.a), _mm256_or_si256(x.b, y.b))
  }
  /// Look-up in the 16 bytes of a `repeating16`, by indices 0 … 15.
  @inline(__always) func lookedUp(_ numbers: IntegerLanes) -> IntegerLanes {
    IntegerLanes(_mm256_shuffle_epi8(a, numbers.a), _mm256_shuffle_epi8(b, numbers.b))
  }
}
#endif
