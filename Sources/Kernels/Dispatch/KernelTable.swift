// SPDX-License-Identifier: Apache-2.0
import Shims

/// The kernels of one instruction set. Which table is used never changes a result: every variant is bit for bit the scalar one.
///
/// Formulas and orders of operations are documented at the functions of `ScalarKernels`. Kernels allocate nothing, throw nothing and are safe to call
/// from several threads on disjoint outputs; the caller has checked every size. None takes more than `largestStackMemory` of stack.
///
/// A class: a copy of so many functions would count a reference for each.
package final class KernelTable {
  package typealias Linear = (
    UnsafePointer<LinearArguments>, _ firstBlock: Int, _ endBlock: Int, _ firstToken: Int, _ endToken: Int
  ) -> Void
  package typealias InPlace = (_ x: UnsafeMutablePointer<Float>, _ count: Int) -> Void

  /// "scalar", "sse41", "avx2", "avxvnni", "avx512", "neon", "dotprod" or "i8mm".
  package let name: StaticString

  package let linearQ8, linearQ4, linearSmallGroups, linearF16, linearF32: Linear

  package let quantize:
    (
      _ x: UnsafePointer<Float>, _ count: Int, _ padded: Int, _ group: Int, _ zeroPoint: Int32, _ q: UnsafeMutablePointer<Int8>,
      _ scales: UnsafeMutablePointer<Float>, _ offsets: UnsafeMutablePointer<Int32>
    ) -> Void

  package let layerNorm:
    (
      _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>, _ bias: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>,
      _ count: Int, _ epsilon: Float
    ) -> Void
  package let rmsNorm:
    (
      _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int, _ epsilon: Float
    ) -> Void

  package let gelu, quickGELU, geluTanh, silu: InPlace
  package let siluMultiply: (_ gate: UnsafePointer<Float>, _ up: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int) -> Void
  package let add: (_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int) -> Void
  package let softmax: InPlace

  package let rotate:
    (
      _ x: UnsafeMutablePointer<Float>, _ cosines: UnsafePointer<Float>, _ sines: UnsafePointer<Float>, _ headSize: Int
    ) -> Void
  package let attention: (UnsafePointer<AttentionArguments>, _ head: Int, _ firstQuery: Int, _ endQuery: Int) -> Void

  package let depthwise3x3:
    (
      _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>, _ bias: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>,
      _ height: Int, _ width: Int, _ channels: Int, _ firstRow: Int, _ endRow: Int
    ) -> Void

  package let halfToFloat: (UnsafePointer<UInt16>, UnsafeMutablePointer<Float>, Int) -> Void
  package let floatToHalf: (UnsafePointer<Float>, UnsafeMutablePointer<UInt16>, Int) -> Void

  /// The table of an instruction set's kernels.
  @inline(__always)
  convenience init<K: KernelSet>(_ name: StaticString, _: K.Type) { self.init(name, K.self, products: K.self) }

  /// Those of `K`, with the products of `P`.
  @inline(__always)
  init<K: KernelSet, P: QuantizedProducts>(_ name: StaticString, _: K.Type, products _: P.Type) {
    self.name = name
    (linearQ8, linearQ4, linearSmallGroups) = (P.linearQ8, P.linearQ4, P.linearSmallGroups)
    (linearF16, linearF32) = (K.linearF16, K.linearF32)
    quantize = K.quantize
    (layerNorm, rmsNorm) = (K.layerNorm, K.rmsNorm)
    (gelu, quickGELU, geluTanh, silu) = (K.gelu, K.quickGELU, K.geluTanh, K.silu)
    (siluMultiply, add, softmax, rotate) = (K.siluMultiply, K.add, K.softmax, K.rotate)
    (attention, depthwise3x3) = (K.attention, K.depthwise3x3)
    (halfToFloat, floatToHalf) = (K.halfToFloat, K.floatToHalf)
  }
}
