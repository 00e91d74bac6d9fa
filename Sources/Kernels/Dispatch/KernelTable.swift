// SPDX-License-Identifier: Apache-2.0
import KernelsScalar
import Shims

/// The kernels of one instruction set. Which table is used never changes a result: every variant is bit for bit the scalar one.
///
/// Formulas and orders of operations stand at the functions of `ScalarKernels`. Kernels allocate nothing, throw nothing and are safe to call
/// from several threads on disjoint outputs; the caller has checked every size. `attention` takes up to 264 KiB of stack.
package struct KernelTable {
  package typealias Linear = (
    UnsafePointer<LinearArguments>, _ firstBlock: Int, _ endBlock: Int, _ firstToken: Int, _ endToken: Int
  ) -> Void
  package typealias InPlace = (_ x: UnsafeMutablePointer<Float>, _ count: Int) -> Void

  /// "scalar", "avx2", "avxvnni", "avx512" or "neon".
  package let name: StaticString

  package let linearQ8, linearQ4, linearF16, linearF32: Linear

  package let quantize:
    (
      _ x: UnsafePointer<Float>, _ count: Int, _ padded: Int, _ group: Int, _ zero: Int32, _ q: UnsafeMutablePointer<Int8>,
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
  package let siluMultiply:
    (_ gate: UnsafePointer<Float>, _ up: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int) -> Void
  package let add: (_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int) -> Void
  package let softmax: InPlace

  package let rotate:
    (
      _ x: UnsafeMutablePointer<Float>, _ cosines: UnsafePointer<Float>, _ sines: UnsafePointer<Float>, _ headSize: Int
    ) -> Void
  package let attention, attentionInteger:
    (UnsafePointer<AttentionArguments>, _ head: Int, _ firstQuery: Int, _ endQuery: Int) -> Void

  package let depthwise3x3:
    (
      _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>, _ bias: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>,
      _ height: Int, _ width: Int, _ channels: Int, _ firstRow: Int, _ endRow: Int
    ) -> Void

  package let halfToFloat: (UnsafePointer<UInt16>, UnsafeMutablePointer<Float>, Int) -> Void
  package let floatToHalf: (UnsafePointer<Float>, UnsafeMutablePointer<UInt16>, Int) -> Void

  /// The best table of this CPU, or the one that the environment's `FOVEA_ISA` (scalar, avx2, avxvnni, avx512, neon) names if the CPU can run it.
  package static func choose() -> KernelTable { choose(getenv("FOVEA_ISA")) }

  /// The table called `name`, or the best one if there is no name or this CPU has no such table.
  package static func choose(_ name: UnsafePointer<CChar>?) -> KernelTable {
    let tables = all()
    if let name {
      for table in tables where strcmp(name, UnsafeRawPointer(table.name.utf8Start).assumingMemoryBound(to: CChar.self)) == 0 {
        return table
      }
    }
    return tables[tables.count - 1]
  }

  /// Every table this CPU can run, scalar first, best last.
  package static func all() -> [KernelTable] {
    var tables = [scalar]
    #if arch(x86_64)
      let cpu = CPUFeatures.detected()
      if cpu.hasAVX2 { tables.append(avx2) }
      if cpu.hasAVXVNNI { tables.append(avxvnni) }
      if cpu.hasAVX512 { tables.append(avx512) }
    #elseif arch(arm64)
      if fovea_has_dotprod() { tables.append(neon) }
    #endif
    return tables
  }
}

extension KernelTable {
  static var scalar: KernelTable {
    KernelTable(
      name: "scalar",
      linearQ8: ScalarKernels.linearQ8, linearQ4: ScalarKernels.linearQ4,
      linearF16: ScalarKernels.linearF16, linearF32: ScalarKernels.linearF32,
      quantize: ScalarKernels.quantize, layerNorm: ScalarKernels.layerNorm, rmsNorm: ScalarKernels.rmsNorm,
      gelu: ScalarKernels.gelu, quickGELU: ScalarKernels.quickGELU, geluTanh: ScalarKernels.geluTanh, silu: ScalarKernels.silu,
      siluMultiply: ScalarKernels.siluMultiply, add: ScalarKernels.add, softmax: ScalarKernels.softmax,
      rotate: ScalarKernels.rotate, attention: ScalarKernels.attention,
      attentionInteger: ScalarKernels.attentionInteger, depthwise3x3: ScalarKernels.depthwise3x3,
      halfToFloat: ScalarKernels.halfToFloat, floatToHalf: ScalarKernels.floatToHalf)
  }
}
