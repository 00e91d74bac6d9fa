// SPDX-License-Identifier: Apache-2.0
#if arch(x86_64)
  import KernelsAVX2
  import KernelsAVX512
  import KernelsAVXVNNI

  extension KernelTable {
    static var avx2: KernelTable {
      typealias Kernels = KernelsAVX2.VectorKernels
      return KernelTable(
        name: "avx2",
        linearQ8: Kernels.linearQ8, linearQ4: Kernels.linearQ4, linearF16: Kernels.linearF16, linearF32: Kernels.linearF32,
        quantize: Kernels.quantize, layerNorm: Kernels.layerNorm, rmsNorm: Kernels.rmsNorm,
        gelu: Kernels.gelu, quickGELU: Kernels.quickGELU, geluTanh: Kernels.geluTanh, silu: Kernels.silu,
        siluMultiply: Kernels.siluMultiply, add: Kernels.add, softmax: Kernels.softmax,
        rotate: Kernels.rotate, attention: Kernels.attention, attentionInteger: Kernels.attentionInteger,
        depthwise3x3: Kernels.depthwise3x3,
        halfToFloat: Kernels.halfToFloat, floatToHalf: Kernels.floatToHalf)
    }

    static var avxvnni: KernelTable {
      typealias Kernels = KernelsAVXVNNI.VectorKernels
      return KernelTable(
        name: "avxvnni",
        linearQ8: Kernels.linearQ8, linearQ4: Kernels.linearQ4, linearF16: Kernels.linearF16, linearF32: Kernels.linearF32,
        quantize: Kernels.quantize, layerNorm: Kernels.layerNorm, rmsNorm: Kernels.rmsNorm,
        gelu: Kernels.gelu, quickGELU: Kernels.quickGELU, geluTanh: Kernels.geluTanh, silu: Kernels.silu,
        siluMultiply: Kernels.siluMultiply, add: Kernels.add, softmax: Kernels.softmax,
        rotate: Kernels.rotate, attention: Kernels.attention, attentionInteger: Kernels.attentionInteger,
        depthwise3x3: Kernels.depthwise3x3,
        halfToFloat: Kernels.halfToFloat, floatToHalf: Kernels.floatToHalf)
    }

    static var avx512: KernelTable {
      typealias Kernels = KernelsAVX512.VectorKernels
      return KernelTable(
        name: "avx512",
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
