// SPDX-License-Identifier: Apache-2.0
import Kernels
import Shims
import Testing

/// Attention over a cache of int8 rows with a scale each.
@Suite struct AttentionInt8Tests {
  struct Case: CustomTestStringConvertible {
    let queries, keys, heads, kvHeads, headSize, causalStart: Int
    var testDescription: String { "\(queries)x\(keys) heads \(heads)/\(kvHeads) size \(headSize) causal \(causalStart)" }
  }

  static let cases = [
    Case(queries: 1, keys: 200, heads: 4, kvHeads: 2, headSize: 128, causalStart: 199),
    Case(queries: 1, keys: 64, heads: 2, kvHeads: 1, headSize: 64, causalStart: 63),
    Case(queries: 1, keys: 130, heads: 2, kvHeads: 2, headSize: 80, causalStart: 129),
    Case(queries: 1, keys: 70, heads: 1, kvHeads: 1, headSize: 33, causalStart: 69),
    Case(queries: 2, keys: 130, heads: 2, kvHeads: 1, headSize: 32, causalStart: -1),
    Case(queries: 3, keys: 128, heads: 1, kvHeads: 1, headSize: 80, causalStart: -1),
    Case(queries: 4, keys: 64, heads: 1, kvHeads: 1, headSize: 64, causalStart: -1),
    Case(queries: 70, keys: 170, heads: 4, kvHeads: 1, headSize: 48, causalStart: 100),
    Case(queries: 13, keys: 140, heads: 2, kvHeads: 2, headSize: 64, causalStart: 127),
    Case(queries: 5, keys: 67, heads: 2, kvHeads: 1, headSize: 7, causalStart: 62),
  ]

  struct Fixture {
    let c: Case
    let query: [Float]
    let key, value: [Int8]
    let keyScale, valueScale: [Float]
    /// Values of a row with the zeros behind them.
    var rowSize: Int { (c.headSize + 31) / 32 * 32 }

    init(_ c: Case) {
      self.c = c
      var random = SeededRandom(seed: UInt64(c.queries * 11 + c.keys))
      query = random.normal(c.queries * c.heads * c.headSize)
      let table = KernelTable.all()[0]
      func quantized(_ random: inout SeededRandom) -> ([Int8], [Float]) {
        let (size, padded, rows) = (c.headSize, (c.headSize + 31) / 32 * 32, c.kvHeads * c.keys)
        var (q, scales, offset) = ([Int8](repeating: 0, count: rows * padded), [Float](repeating: 0, count: rows), Int32(0))
        for row in 0..<rows {
          let x = random.normal(size)
          q.withUnsafeMutableBufferPointer { table.quantize(x, size, padded, padded, 0, $0.baseAddress! + row * padded, &scales[row], &offset) }
        }
        return (q, scales)
      }
      (key, keyScale) = quantized(&random)
      (value, valueScale) = quantized(&random)
    }

    /// Rows and scales are `[kvHead][key]`.
    func run(_ table: KernelTable, widened: Bool = false, queries: Range<Int>? = nil) -> [Float] {
      let stride = c.heads * c.headSize
      var output = [Float](repeating: guardValue, count: c.queries * stride + 32)
      var a = AttentionArguments()
      (a.queryStride, a.outputStride) = (stride, stride)
      (a.tokenStride, a.headStride) = (rowSize, rowSize * c.keys)
      (a.heads, a.kvHeads, a.headSize) = (Int64(c.heads), Int64(c.kvHeads), Int64(c.headSize))
      (a.queries, a.keys, a.causalStart) = (Int64(c.queries), Int64(c.keys), Int64(c.causalStart))
      a.scale = 1 / Float(c.headSize).squareRoot()
      let range = queries ?? 0..<c.queries
      func call(_ k: UnsafeRawPointer?, _ v: UnsafeRawPointer?) {
        query.withUnsafeBufferPointer { q in
          output.withUnsafeMutableBufferPointer { o in
            (a.query, a.key, a.value, a.output) = (q.baseAddress, k, v, o.baseAddress)
            for head in 0..<c.heads { table.attention(&a, head, range.lowerBound, range.upperBound) }
          }
        }
      }
      if widened {
        let k = key.indices.map { Float(key[$0]) * keyScale[$0 / rowSize] }
        let v = value.indices.map { Float(value[$0]) * valueScale[$0 / rowSize] }
        k.withUnsafeBytes { k in v.withUnsafeBytes { v in call(k.baseAddress, v.baseAddress) } }
        return output
      }
      a.rows = FOVEA_ROWS_INT8
      a.scaleStride = c.keys
      keyScale.withUnsafeBufferPointer { ks in
        valueScale.withUnsafeBufferPointer { vs in
          (a.keyScale, a.valueScale) = (ks.baseAddress, vs.baseAddress)
          key.withUnsafeBytes { k in value.withUnsafeBytes { v in call(k.baseAddress, v.baseAddress) } }
        }
      }
      return output
    }
  }

  @Test("every variant gives the scalar bits, whole or split by queries", arguments: cases)
  func everyVariantMatchesScalar(c: Case) {
    let fixture = Fixture(c)
    let expected = fixture.run(KernelTable.all()[0])
    #expect(expected.suffix(32).allSatisfy { $0 == guardValue })
    let stride = c.heads * c.headSize
    for table in vectorTables {
      #expect(bits(fixture.run(table)) == bits(expected), "\(table.name)")
      // A query by itself reads the rows in place; the last one must not differ for it.
      let alone = fixture.run(table, queries: c.queries - 1..<c.queries)
      #expect(bits(Array(alone[((c.queries - 1) * stride)...])) == bits(Array(expected[((c.queries - 1) * stride)...])), "\(table.name)")
    }
  }

  @Test("agrees with attention over the widened numbers", arguments: cases)
  func agreesWithFloats(c: Case) {
    let fixture = Fixture(c)
    let floats = fixture.run(KernelTable.all()[0], widened: true)
    for (a, b) in zip(fixture.run(KernelTable.all()[0]), floats) { #expect(abs(a - b) < 5e-6) }
  }
}
