// SPDX-License-Identifier: Apache-2.0
#if arch(x86_64)
  extension KernelTable {
    static var avx2: KernelTable { scalar.named("avx2") }
    static var avx512: KernelTable { scalar.named("avx512") }

    private func named(_ name: StaticString) -> KernelTable {
      KernelTable(
        name: name, linearQ8: linearQ8, linearQ4: linearQ4, linearF16: linearF16, linearF32: linearF32, quantize: quantize,
        layerNorm: layerNorm, rmsNorm: rmsNorm, gelu: gelu, quickGELU: quickGELU, geluTanh: geluTanh, silu: silu,
        siluMultiply: siluMultiply, add: add, softmax: softmax, rotate: rotate, attention: attention, depthwise3x3: depthwise3x3,
        halfToFloat: halfToFloat, floatToHalf: floatToHalf)
    }
  }
#endif
