// SPDX-License-Identifier: Apache-2.0
import Kernels
import Shims
import Testing

@Suite struct LinearTests {
  @Test("every variant gives the scalar bits", arguments: WeightLayout.allCases, [1, 2, 3, 5, 6, 7, 8, 12, 13, 25, 31])
  func everyVariantMatchesScalar(layout: WeightLayout, tokens: Int) {
    for (outputs, inputs) in [(1, 1), (16, 64), (17, 33), (31, 127), (48, 192), (80, 577), (150, 96), (70, 4200)] {
      for group in layout.groups {
        for hasBias in [true, false] {
          let c = LinearCase(
            layout, outputs: outputs, inputs: inputs, tokens: tokens, group: group, hasBias: hasBias,
            seed: UInt64(outputs * 1000 + tokens))
          let expected = bits(c.run(KernelTable.all()[0]))
          for table in vectorTables {
            #expect(bits(c.run(table)) == expected, "\(table.name) \(outputs)x\(inputs) group \(group) bias \(hasBias)")
          }
        }
      }
    }
  }

  @Test("a call computes its blocks and tokens and leaves the others alone", arguments: WeightLayout.allCases)
  func computesOnlyItsPart(layout: WeightLayout) {
    let c = LinearCase(layout, outputs: 200, inputs: 130, tokens: 20, seed: 5)
    let whole = c.run(KernelTable.all()[0])
    let stride = c.outputs + 7
    for table in KernelTable.all() {
      for (blocks, tokens) in [(1..<4, 2..<9), (0..<13, 19..<20), (12..<13, 0..<20), (5..<5, 0..<20), (0..<13, 7..<7), (3..<10, 1..<14)] {
        let part = c.run(table, blocks: blocks, tokens: tokens)
        var isRight = true
        for t in 0..<c.tokens {
          for o in 0..<stride {
            let inside = tokens.contains(t) && blocks.contains(o / 16) && o < c.outputs
            let expected = inside ? whole[t * stride + o] : guardValue
            if part[t * stride + o].bitPattern != expected.bitPattern { isRight = false }
          }
        }
        #expect(isRight, "\(table.name) blocks \(blocks) tokens \(tokens)")
      }
    }
  }

  /// Float layouts: rounding of `inputs` fused steps. Quantised ones against the same quantised activations: the float sum over groups only.
  @Test("scalar agrees with the product in double precision", arguments: WeightLayout.allCases)
  func scalarMatchesTheFormula(layout: WeightLayout) {
    for (outputs, inputs, group) in [(5, 64, 64), (33, 100, 32), (64, 1000, 64)] {
      let c = LinearCase(layout, outputs: outputs, inputs: inputs, tokens: 3, group: group, seed: 77)
      let y = c.run(KernelTable.all()[0])
      let isQuantized = layout.isQuantized
      let groups = isQuantized ? c.paddedInputs / c.group : 0
      for t in 0..<3 {
        for o in 0..<outputs {
          var sum = Double(c.bias?[o] ?? 0)
          var magnitude = abs(sum)
          for k in 0..<inputs {
            let x =
              isQuantized
              ? Double(c.quantized[t * c.paddedInputs + k]) * Double(c.xScales[t * groups + k / c.group]) : Double(c.x[t * inputs + k])
            sum += Double(c.weights[o][k]) * x
            magnitude += abs(Double(c.weights[o][k]) * x)
          }
          let bound = magnitude * 6e-8 * Double(isQuantized ? groups + 4 : inputs + 1)
          #expect(abs(Double(y[t * (outputs + 7) + o]) - sum) <= bound)
        }
      }
    }
  }

  /// Every activation ±127 and every weight at an end of its range, signs in step: int32 sums (and int16 ones in AVX2) at their bounds.
  @Test("extreme weights and activations do not overflow", arguments: [WeightLayout.q8, .q4], [Float(1), -1])
  func extremesAreExact(layout: WeightLayout, sign: Float) {
    let x = [Float](repeating: sign, count: 7 * 512)
    let c = LinearCase(layout, outputs: 48, inputs: 512, tokens: 7, group: 256, hasBias: false, x: x, seed: 9)
    for block in 0..<3 {
      // The least byte of int8 is 1: weights are −127 … 127.
      let code: UInt8 = [0xFF, layout == .q8 ? 1 : 0, 0x80][block]
      for byte in c.payloadOffset..<c.blockStride { c.packed.base[block * c.blockStride + byte] = code }
    }
    let y = c.run(KernelTable.all()[0])
    for table in vectorTables { #expect(bits(c.run(table)) == bits(y), "\(table.name)") }
    // Row 0 by hand: the same weight everywhere, its two groups' scales, activations of exactly ±1.
    let weight: Float = layout == .q8 ? 127 : 7
    let scales = (0..<2).map { widened(UnsafeRawPointer(c.packed.base).load(fromByteOffset: $0 * 32, as: UInt16.self)) }
    let expected = Double(sign * weight) * 256 * Double(scales[0] + scales[1])
    #expect(abs(Double(y[0]) - expected) < abs(expected) * 1e-6)
  }

  /// The largest unsigned weight everywhere with activations of ±127: what AVX2 adds in int16 is at its bound.
  @Test("extreme weights in small groups do not overflow", arguments: [WeightLayout.n4, .q5, .q6], [Float(1), -1])
  func smallGroupExtremesAreExact(layout: WeightLayout, sign: Float) {
    let x = [Float](repeating: sign, count: 13 * 512)
    let c = LinearCase(layout, outputs: 48, inputs: 512, tokens: 13, hasBias: false, x: x, seed: 9)
    for block in 0..<3 {
      for byte in c.payloadOffset..<c.blockStride { c.packed.base[block * c.blockStride + byte] = [0xFF, 0, 0x5A][block] }
    }
    let y = c.run(KernelTable.all()[0])
    for table in vectorTables { #expect(bits(c.run(table)) == bits(y), "\(table.name)") }
    // Row 0 by hand: the same weight everywhere, activations of exactly ±1.
    let weight: Float = layout == .n4 ? 55 : layout == .q5 ? 15 : 31
    let base = UnsafeRawPointer(c.packed.base)
    let scales = (0..<16).map { Float(bitPattern: fovea_small_scale_bits(base.load(fromByteOffset: 64 + $0 * 16, as: UInt8.self))) }
    let expected = sign * weight * 32 * scales.reduce(0, +) * base.load(as: Float.self)
    #expect(abs(y[0] - expected) <= abs(expected) * 1e-5 + 1e-4)
  }
}
