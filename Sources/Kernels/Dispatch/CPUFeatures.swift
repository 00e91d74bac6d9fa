// SPDX-License-Identifier: Apache-2.0
#if arch(x86_64)
import Shims

/// What this CPU has and the operating system saves (CPUID leaves 1 and 7, XCR0).
struct CPUFeatures {
  /// SSSE3 and SSE4.1, which x86-64-v2 has.
  var hasSSE41 = false
  /// AVX2, FMA and F16C, and all of `hasSSE41`.
  var hasAVX2 = false
  /// AVX-VNNI and all of `hasAVX2`.
  var hasAVXVNNI = false
  /// AVX-512 F, BW, DQ, VL and VNNI, and all of `hasAVX2`.
  var hasAVX512 = false

  static func detected() -> CPUFeatures {
    let basic = cpuid(1, 0)
    let (fma, osxsave, avx, f16c) = (basic.ecx >> 12 & 1, basic.ecx >> 27 & 1, basic.ecx >> 28 & 1, basic.ecx >> 29 & 1)
    var features = CPUFeatures()
    features.hasSSE41 = basic.ecx >> 9 & basic.ecx >> 19 & 1 == 1
    guard features.hasSSE41, fma & osxsave & avx & f16c == 1 else { return features }
    let saved = fovea_xgetbv()
    let extended = cpuid(7, 0)
    let savesYMM = saved & 0x06 == 0x06
    features.hasAVX2 = savesYMM && extended.ebx >> 5 & 1 == 1
    let savesZMM = saved & 0xE6 == 0xE6
    let (f, dq, bw, vl) = (extended.ebx >> 16 & 1, extended.ebx >> 17 & 1, extended.ebx >> 30 & 1, extended.ebx >> 31 & 1)
    let vnni = extended.ecx >> 11 & 1
    features.hasAVX512 = features.hasAVX2 && savesZMM && f & dq & bw & vl & vnni == 1
    #if AVXVNNI_AS_AVX512
    features.hasAVXVNNI = features.hasAVX512
    #else
    features.hasAVXVNNI = features.hasAVX2 && extended.eax >= 1 && cpuid(7, 1).eax >> 4 & 1 == 1
    #endif
    return features
  }

  private static func cpuid(_ leaf: UInt32, _ subleaf: UInt32) -> (eax: UInt32, ebx: UInt32, ecx: UInt32) {
    var registers: (UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0)
    withUnsafeMutableBytes(of: &registers) {
      fovea_cpuid(leaf, subleaf, $0.baseAddress?.assumingMemoryBound(to: UInt32.self))
    }
    return (registers.0, registers.1, registers.2)
  }
}
#endif
