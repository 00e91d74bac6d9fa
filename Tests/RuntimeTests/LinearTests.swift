// SPDX-License-Identifier: Apache-2.0
import Runtime
import Shims
import Testing
import WeightFile

@Suite struct LinearTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let encoding: TensorEncoding
    let outputs, inputs, tokens, group: Int
    let hasBias: Bool
    var testDescription: String { "\(encoding.name) \(outputs)×\(inputs), \(tokens) tokens, group \(group), bias \(hasBias)" }
  }

  static let cases: [Case] = [TensorEncoding.f32x16, .f16x16, .q8x16, .q4x16, .n4x16, .q5x16, .q6x16].flatMap { encoding in
    [
      (1, 1, 1, 32, false), (16, 64, 1, 64, true), (17, 65, 3, 32, true), (5, 7, 2, 64, false), (100, 33, 19, 32, true),
      (33, 300, 1, 64, true), (257, 96, 40, 96, false), (400, 520, 5, 128, true),
    ].map { Case(encoding: encoding, outputs: $0.0, inputs: $0.1, tokens: $0.2, group: $0.3, hasBias: $0.4) }
  }

  /// The product by the formulas of the packed layout, bit for bit: int8 activations for int8 and int4 weights.
  private func expected(_ c: Case, _ m: PackedMatrix, _ x: [Float], _ bias: [Float]?) -> [Float] {
    var y: [Float] = []
    var row = [Float](repeating: 0, count: c.inputs)
    var rows: [[Float]] = []
    for r in 0..<c.outputs {
      m.layout.readRow(r, from: m.data, into: &row)
      rows.append(row)
    }
    for t in 0..<c.tokens {
      let values = Array(x[t * c.inputs..<(t + 1) * c.inputs])
      let group = m.layout.group
      for r in 0..<c.outputs {
        var f: Float = 0
        if c.encoding.isQuantized {
          for g in stride(from: 0, to: c.inputs, by: group) {
            let range = g..<min(g + group, c.inputs)
            let most = range.map { abs(values[$0]) }.max() ?? 0
            let levels = range.map { Int32(min(max((values[$0] * (127 / most)).rounded(.toNearestOrEven), -127), 127)) }
            // A stored weight is an integer times its scales; readRow gave the product.
            let (scale, rowScale) = scales(m, row: r, group: g / group)
            var sum: Int32 = 0
            for (k, level) in zip(range, levels) where scale * rowScale != 0 { sum += Int32((rows[r][k] / (scale * rowScale)).rounded()) * level }
            f =
              m.layout.encoding.codes?.scale == .byteOfRow
              ? f.addingProduct(Float(sum) * scale, most / 127) : f.addingProduct(Float(sum), scale * (most / 127))
          }
          f *= scales(m, row: r, group: 0).row
        } else {
          for k in 0..<c.inputs { f = f.addingProduct(rows[r][k], values[k]) }
        }
        y.append(bias.map { f + $0[r] } ?? f)
      }
    }
    return y
  }

  /// Of a group, and of the row where it has one.
  private func scales(_ m: PackedMatrix, row: Int, group: Int) -> (group: Float, row: Float) {
    let block = m.data + row / 16 * m.layout.blockStride
    guard m.layout.encoding.codes?.scale == .byteOfRow else {
      return (Float(Float16(bitPattern: block.load(fromByteOffset: (group * 16 + row % 16) * 2, as: UInt16.self))), 1)
    }
    let byte = block.load(fromByteOffset: 64 + group * 16 + row % 16, as: UInt8.self)
    return (Float(bitPattern: fovea_small_scale_bits(byte)), block.load(fromByteOffset: 4 * (row % 16), as: Float.self))
  }

  @Test(arguments: cases) func everyEncodingFollowsItsFormulaOnAnyThreads(c: Case) throws {
    var random = SeededGenerator(UInt64(c.outputs * 1000 + c.inputs))
    var tensors = [try TestTensor("l.weight", random.floats(c.outputs * c.inputs), c.outputs, c.inputs, c.encoding, group: c.group)]
    let bias = c.hasBias ? random.floats(c.outputs) : nil
    if let bias { tensors.append(TestTensor("l.bias", [c.outputs], bias)) }
    let w = try weights(tensors)
    let linear = try Linear(w["l"], from: c.inputs, to: c.outputs)
    #expect(linear.inputSize == c.inputs && linear.outputSize == c.outputs && linear.byteCount == tensors[0].bytes.count)
    let x = random.floats(c.tokens * c.inputs, -3...3)
    let y = try onAnyThreads(c.testDescription) { ctx in try linear(try ctx.tensor(x, rows: c.tokens), ctx) }
    let wanted = expected(c, try w.matrix("l.weight", outputs: c.outputs, inputs: c.inputs), x, bias)
    #expect(y.map(\.bitPattern) == wanted.map(\.bitPattern))

    // The same cut into heads, and from rows of another matrix in another order.
    for headSize in [c.outputs, 20, 1] where c.outputs % headSize == 0 {
      let ctx = context(threads: 2)
      let backwards = (0..<c.tokens).reversed().flatMap { x[$0 * c.inputs..<($0 + 1) * c.inputs] }
      let rows = try linear.input(ctx.tensor(backwards, rows: c.tokens), rows: c.tokens, place: { c.tokens - 1 - $0 }, ctx)
      let heads = try linear.heads(rows, headSize: headSize, ctx)
      for (i, value) in wanted.enumerated() {
        let (row, column) = (i / c.outputs, i % c.outputs)
        #expect(heads[column / headSize][row * headSize + column % headSize].bitPattern == value.bitPattern)
      }
      #expect(throws: RuntimeError.self) { try linear.heads(rows, headSize: c.outputs + 1, ctx) }
    }
  }

  @Test(arguments: [TensorEncoding.f32x16, .q8x16, .q4x16, .n4x16]) func largeProductsInManyTilesGiveEachTokenItsOwnResult(
    encoding: TensorEncoding
  ) throws {
    var random = SeededGenerator(6)
    let (outputs, inputs, tokens) = (1100, 1024, 530)
    let w = try weights([try TestTensor("l.weight", random.floats(outputs * inputs), outputs, inputs, encoding)])
    let linear = try Linear(w["l"], from: inputs, to: outputs)
    let x = random.floats(tokens * inputs)
    let ctx = context(threads: 3)
    let y = try linear(try ctx.tensor(x, rows: tokens), ctx).values
    // The same tokens alone, on one thread: another cut of the same product.
    let alone = context(threads: 1)
    for token in [0, 1, 255, 256, 400, 529] {
      let row = try linear(try alone.tensor(Array(x[token * inputs..<(token + 1) * inputs]), rows: 1), alone).values
      #expect(row.map(\.bitPattern) == y[token * outputs..<(token + 1) * outputs].map(\.bitPattern))
    }
  }

  /// Inputs times their factors, whole, in parts of an epilogue, and as a calibration reads them back.
  @Test(arguments: [TensorEncoding.q8x16, .n4x16, .q6x16]) func inputFactorsAreAppliedBeforeInputsBecomeIntegers(encoding: TensorEncoding) throws {
    var random = SeededGenerator(21)
    let (inputs, middle, outputs, tokens) = (96, 352, 50, 14)
    let factors = random.floats(middle, 0.01...3)
    let matrix = try TestTensor("with.weight", random.floats(outputs * middle), outputs, middle, encoding, group: 32)
    let w = try weights([
      matrix, TestTensor("with.inputFactors", [middle], factors),
      try TestTensor("expand.weight", random.floats(middle * inputs), middle, inputs, encoding, group: 32),
      try TestTensor("float.weight", random.floats(outputs * middle), outputs, middle, .f16x16), TestTensor("float.inputFactors", [middle], factors),
    ])
    let (expand, with) = (try Linear(w["expand"], from: inputs, to: middle), try Linear(w["with"], from: middle, to: outputs))
    let without = Linear(with.weight)
    let x = random.floats(tokens * inputs)
    let ctx = context(threads: 1)
    let h = try expand(ctx.tensor(x, rows: tokens), ctx)
    Activation.gelu(h, ctx)
    let scaled = h.values.enumerated().map { $1 * factors[$0 % middle] }
    let expected = try without(ctx.tensor(scaled, rows: tokens), ctx).values.map(\.bitPattern)
    #expect(try with(h, ctx).values.map(\.bitPattern) == expected)
    let fused = try onAnyThreads("\(encoding)") { ctx in
      let x = try expand.input(ctx.tensor(x, rows: tokens), ctx)
      return try with(expand(x, .gelu, for: with, ctx), ctx)
    }
    #expect(fused.map(\.bitPattern) == expected)
    var back = [Float](repeating: 0, count: middle)
    try with.input(h, ctx).read(3, into: &back)
    let largest = scaled[3 * middle..<4 * middle].reduce(0) { max($0, abs($1)) }
    for (k, value) in back.enumerated() { #expect(abs(value - h.values[3 * middle + k]) <= largest / 127 * 0.51 / factors[k]) }
    #expect(throws: WeightFileError.self) { try Linear(w["float"], from: middle, to: outputs) }
  }

  /// Middle sizes that end with a group and a block, with neither, and in the first group.
  @Test(arguments: [TensorEncoding.f32x16, .f16x16, .q8x16, .q4x16, .n4x16, .q5x16, .q6x16], [320, 328, 40])
  func fusedProductsGiveTheBitsOfTheirParts(
    encoding: TensorEncoding, middle: Int
  ) throws {
    var random = SeededGenerator(12)
    let (inputs, outputs) = (96, 50)
    let w = try weights([
      try TestTensor("expand.weight", random.floats(2 * middle * inputs), 2 * middle, inputs, encoding, group: 32),
      TestTensor("expand.bias", [2 * middle], random.floats(2 * middle)),
      try TestTensor("narrow.weight", random.floats(middle * inputs), middle, inputs, encoding, group: 96),
      try TestTensor("contract.weight", random.floats(outputs * middle), outputs, middle, encoding, group: 64),
      TestTensor("norm.weight", [inputs], random.floats(inputs)), TestTensor("norm.bias", [inputs], random.floats(inputs)),
      TestTensor("factors", [outputs], random.floats(outputs)),
    ])
    let expand = try Linear(w["expand"], from: inputs, to: 2 * middle)
    let narrow = try Linear(w["narrow"], from: inputs, to: middle)
    let contract = try Linear(w["contract"], from: middle, to: outputs)
    let norm = try LayerNorm(w["norm"], size: inputs, epsilon: 1e-5)
    let factors = try w.vector("factors", count: outputs)
    for tokens in [1, 12, 13, 70] {
      let (x, sum) = (random.floats(tokens * inputs, -2...2), random.floats(tokens * outputs))
      let parts = context(threads: 1)
      let xs = try parts.tensor(x, rows: tokens)
      let y = try parts.tensor(sum, rows: tokens)
      let n = try norm(xs, parts)
      let h = try narrow(n, parts)
      Activation.gelu(h, parts)
      add(try contract(h, parts), to: y, parts)
      add(try contract(siluMultiply(expand(n, parts), parts), parts), to: y, parts)
      let z = try contract(h, parts)
      for i in 0..<z.count { y.data[i] += factors[i % outputs] * z.data[i] }
      let fused = try onAnyThreads("\(tokens) tokens") { ctx in
        let x = try ctx.tensor(x, rows: tokens)
        let y = try ctx.tensor(sum, rows: tokens)
        let h = try narrow(norm(x, for: narrow, ctx), .gelu, for: contract, ctx)
        try contract(h, addingTo: y, ctx)
        try contract(expand.gated(norm(x, for: expand, ctx), for: contract, ctx), addingTo: y, ctx)
        try contract(h, times: factors, addingTo: y, ctx)
        return y
      }
      #expect(fused.map(\.bitPattern) == y.values.map(\.bitPattern), "\(tokens) tokens")
      // Norms of some rows, zeros between them.
      let spread = try onAnyThreads("\(tokens) tokens, spread") { ctx in
        try narrow(norm(ctx.tensor(x, rows: tokens), rows: 2 * tokens, place: { $0 % 2 == 0 ? $0 / 2 : nil }, for: narrow, ctx), ctx)
      }
      let plain = try narrow(n, parts).values
      for row in 0..<2 * tokens {
        let wanted = row % 2 == 0 ? Array(plain[row / 2 * middle..<(row / 2 + 1) * middle]) : [Float](repeating: 0, count: middle)
        #expect(Array(spread[row * middle..<(row + 1) * middle]) == wanted)
      }
    }
  }

  /// Rows so wide, and matrices with so many rows, that a tile's results would not fit on the stack by themselves.
  @Test(arguments: [(60_000, 32, 30), (16, 40_000, 14), (4096, 32, 600)]) func extremeShapesStayWithinTheStack(
    outputs: Int, inputs: Int, tokens: Int
  ) throws {
    var random = SeededGenerator(13)
    let w = try weights([try TestTensor("l.weight", random.floats(outputs * inputs), outputs, inputs, .q8x16, group: 32)])
    let linear = try Linear(w["l"], from: inputs, to: outputs)
    let x = random.floats(tokens * inputs)
    let ctx = context(threads: 2)
    let y = try linear(try ctx.tensor(x, rows: tokens), ctx).values
    let row = try linear(try ctx.tensor(Array(x.suffix(inputs)), rows: 1), ctx).values
    #expect(row.map(\.bitPattern) == y.suffix(outputs).map(\.bitPattern))
  }

  @Test func scratchIsGivenBack() throws {
    var random = SeededGenerator(7)
    let w = try weights([try TestTensor("l.weight", random.floats(64 * 64), 64, 64, .q8x16)])
    let linear = try Linear(w["l"], from: 64, to: 64)
    let ctx = context()
    let x = try ctx.tensor(random.floats(64 * 10), rows: 10)
    let y = try ctx.arena.tensor(10, 64)
    let used = ctx.arena.used
    try linear(x, into: y, ctx)
    #expect(ctx.arena.used == used)
  }

  @Test func noTokensAreFine() throws {
    let w = try weights([try TestTensor("l.weight", [1, 2, 3, 4], 2, 2, .q8x16)])
    let linear = try Linear(w["l"], from: 2, to: 2)
    let ctx = context()
    #expect(try linear(try ctx.arena.tensor(0, 2), ctx).rows == 0)
  }

  @Test func wrongSizesAndLackOfMemoryAreErrors() throws {
    let w = try weights([try TestTensor("l.weight", [1, 2, 3, 4, 5, 6], 2, 3, .f32x16)])
    let linear = try Linear(w["l"], from: 3, to: 2)
    let ctx = context()
    let x = try ctx.arena.tensor(4, 3)
    #expect(throws: RuntimeError.self) { try linear(try ctx.arena.tensor(4, 2), ctx) }
    #expect(throws: RuntimeError.self) { try linear(x, into: try ctx.arena.tensor(4, 3), ctx) }
    #expect(throws: RuntimeError.self) { try linear(x, into: try ctx.arena.tensor(5, 2), ctx) }
    let small = context(limit: 4096)
    #expect(throws: RuntimeError.self) { try linear(Tensor(data: x.data, rows: 1 << 20, columns: 3), small) }
  }

  @Test func anEmbeddingReadsRowsAndServesAsHead() throws {
    var random = SeededGenerator(8)
    for encoding in [TensorEncoding.f32x16, .f16x16, .q8x16, .q4x16, .n4x16, .q5x16, .q6x16] {
      let w = try weights([try TestTensor("e.weight", random.floats(50 * 40), 50, 40, encoding, group: 32)])
      let embedding = try Embedding(w["e"], count: 50, size: 40)
      let ids: [Int32] = [49, 0, 17, 17]
      let y = try onAnyThreads { ctx in
        let y = try ctx.arena.tensor(4, 40)
        try ids.withUnsafeBufferPointer { try embedding($0, into: y, ctx) }
        return y
      }
      let m = try w.matrix("e.weight", outputs: 50, inputs: 40)
      for (i, id) in ids.enumerated() {
        var row = [Float](repeating: 0, count: 40)
        m.layout.readRow(Int(id), from: m.data, into: &row)
        #expect(Array(y[i * 40..<(i + 1) * 40]) == row)
      }
      let ctx = context()
      let logits = try embedding.linear(try ctx.tensor(random.floats(40), rows: 1), ctx)
      #expect(logits.columns == 50)
    }
  }

  @Test(arguments: [Int32(-1), 50, .max, .min]) func aTokenOutsideTheTableIsAnError(id: Int32) throws {
    let w = try weights([try TestTensor("e.weight", [Float](repeating: 1, count: 50 * 4), 50, 4, .f32x16)])
    let embedding = try Embedding(w["e"], count: 50, size: 4)
    let ctx = context()
    let y = try ctx.arena.tensor(1, 4)
    let error = #expect(throws: RuntimeError.self) { try [id].withUnsafeBufferPointer { try embedding($0, into: y, ctx) } }
    guard case .tokenOutOfRange(Int(id), 50) = error else { throw try #require(error) }
  }
}
