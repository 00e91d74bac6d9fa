// SPDX-License-Identifier: Apache-2.0
import Kernels
import Testing

@Suite struct LinearTests {
  @Test("every variant gives the scalar bits", arguments: WeightLayout.allCases, [1, 2, 3, 5, 6, 7, 8, 13])
  func everyVariantMatchesScalar(layout: WeightLayout, tokens: Int) {
    for (outputs, inputs) in [(1, 1), (16, 64), (17, 33), (31, 127), (48, 192), (80, 577), (150, 96), (70, 4200)] {
      for group in layout == .q8 || layout == .q4 ? [32, 64, 128] : [64] {
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
      let isQuantized = layout == .q8 || layout == .q4
      let groups = isQuantized ? c.paddedInputs / group : 0
      for t in 0..<3 {
        for o in 0..<outputs {
          var sum = Double(c.bias?[o] ?? 0)
          var magnitude = abs(sum)
          for k in 0..<inputs {
            let x = isQuantized
              ? Double(c.quantized[t * c.paddedInputs + k]) * Double(c.xScales[t * groups + k / group]) : Double(c.x[t * inputs + k])
            sum += Double(c.weights[o][k]) * x
            magnitude += abs(Double(c.weights[o][k]) * x)
          }
          let bound = magnitude * 6e-8 * Double(isQuantized ? groups + 4 : inputs + 1)
          #expect(abs(Double(y[t * (outputs + 7) + o]) - sum) <= bound)
        }
      }
    }
  }

  /// The largest codes everywhere: int32 (and int16 in AVX2) sums at their bounds.
  @Test("extreme weights and activations do not overflow", arguments: [WeightLayout.q8, .q4])
  func extremesAreExact(layout: WeightLayout) {
    let c = LinearCase(layout, outputs: 16, inputs: 512, tokens: 6, group: 256, seed: 9)
    for byte in c.payloadOffset..<c.blockStride { c.packed.base[byte] = byte % 3 == 0 ? (layout == .q8 ? 1 : 0) : 0xFF }
    let extreme = LinearCase(layout, outputs: 16, inputs: 512, tokens: 6, group: 256, seed: 9)
    for byte in 0..<extreme.packed.count { extreme.packed.base[byte] = c.packed.base[byte] }
    let expected = bits(extreme.run(KernelTable.all()[0]))
    for table in vectorTables { #expect(bits(extreme.run(table)) == expected, "\(table.name)") }
  }
}
