// SPDX-License-Identifier: Apache-2.0
import Kernels
import Shims

/// SplitMix64: the same numbers everywhere for one seed.
struct SeededRandom: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }

  /// Roughly normal: the sum of four uniforms.
  mutating func normal(_ count: Int, scale: Float = 1) -> [Float] {
    (0..<count).map { _ in
      var sum: Float = 0
      for _ in 0..<4 { sum += Float.random(in: -1...1, using: &self) }
      return sum * 0.866 * scale
    }
  }
}

/// Sizes around every vector width, and those of real models.
let awkwardSizes = [0, 1, 7, 15, 16, 17, 31, 33, 48, 63, 64, 65, 127, 192, 577, 1024]

/// Every table but the scalar one.
var vectorTables: [KernelTable] { Array(KernelTable.all().dropFirst()) }

func bits(_ x: [Float]) -> [UInt32] { x.map { $0.bitPattern } }

/// Guard value written around outputs: a kernel that stores past its end changes it.
let guardValue: Float = 12345.678

/// `f` on a copy of `x` in place, with guards after it.
func inPlace(_ x: [Float], _ f: (UnsafeMutablePointer<Float>) -> Void) -> [Float] {
  var padded = x + [Float](repeating: guardValue, count: 32)
  padded.withUnsafeMutableBufferPointer { f($0.baseAddress!) }
  return padded
}

/// IEEE f16 by the compiler's own conversion.
func halfBits(_ x: Float) -> UInt16 { Float16(x).bitPattern }
func widened(_ bits: UInt16) -> Float { Float(Float16(bitPattern: bits)) }

/// 64-byte aligned bytes.
final class AlignedBytes {
  let base: UnsafeMutablePointer<UInt8>
  let count: Int
  init(_ count: Int) {
    self.count = count
    let raw = UnsafeMutableRawPointer.allocate(byteCount: max(count, 1), alignment: 64)
    base = raw.initializeMemory(as: UInt8.self, repeating: 0, count: max(count, 1))
  }
  deinit { UnsafeMutableRawPointer(base).deallocate() }
}
