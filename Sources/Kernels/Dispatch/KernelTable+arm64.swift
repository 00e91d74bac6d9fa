// SPDX-License-Identifier: Apache-2.0
#if arch(arm64)
  import KernelsNEON

  extension KernelTable {
    /// For CPUs with products of int8 by fours (FEAT_DotProd).
    static var neon: KernelTable {
      typealias Kernels = KernelsNEON.VectorKernels
      return KernelTable(
        name: "neon",
        linearQ8: Kernels.linearQ8, linearQ4: Kernels.linearQ4, linearF16: Kernels.linearF16, linearF32: Kernels.linearF32,
        quantize: Kernels.quantize, layerNorm: Kernels.layerNorm, rmsNorm: Kernels.rmsNorm,
        gelu: Kernels.gelu, quickGELU: Kernels.quickGELU, geluTanh: Kernels.geluTanh, silu: Kernels.silu,
        siluMultiply: Kernels.siluMultiply, add: Kernels.add, softmax: Kernels.softmax,
        rotate: Kernels.rotate, attention: Kernels.attention, attentionInteger: Kernels.attentionInteger,
        depthwise3x3: Kernels.depthwise3x3,
        halfToFloat: Kernels.halfToFloat, floatToHalf: Kernels.floatToHalf)
    }
  }
#endif
