// SPDX-License-Identifier: Apache-2.0
import Kernels
import Shims
import Testing

@Suite struct AttentionTests {
  struct Case: CustomTestStringConvertible {
    var queries, keys, heads, kvHeads, headSize: Int
    var causalStart = -1
    var isHalf = false
    var scoreScale: Float = 1
    var gridWidth = 0
    var testDescription: String {
      "\(queries)x\(keys) heads \(heads)/\(kvHeads) size \(headSize) causal \(causalStart) half \(isHalf) scale \(scoreScale) grid \(gridWidth)"
    }
  }

  static func gridHeight(_ c: Case) -> Int { c.gridWidth > 0 ? (c.keys - 1) / c.gridWidth + 1 : 0 }

  static let cases: [Case] = [
    Case(queries: 1, keys: 1, heads: 1, kvHeads: 1, headSize: 1),
    Case(queries: 3, keys: 5, heads: 2, kvHeads: 2, headSize: 16),
    Case(queries: 7, keys: 64, heads: 2, kvHeads: 2, headSize: 64),
    Case(queries: 50, keys: 65, heads: 2, kvHeads: 1, headSize: 72),
    Case(queries: 49, keys: 177, heads: 2, kvHeads: 2, headSize: 64, scoreScale: 12),
    Case(queries: 49, keys: 177, heads: 2, kvHeads: 2, headSize: 48, scoreScale: 12),
    Case(queries: 13, keys: 130, heads: 3, kvHeads: 3, headSize: 104),
    Case(queries: 64, keys: 64, heads: 4, kvHeads: 2, headSize: 32, causalStart: 0),
    Case(queries: 70, keys: 170, heads: 4, kvHeads: 1, headSize: 48, causalStart: 100, isHalf: true),
    Case(queries: 1, keys: 200, heads: 4, kvHeads: 2, headSize: 128, causalStart: 199, isHalf: true),
    Case(queries: 1, keys: 129, heads: 2, kvHeads: 2, headSize: 33, causalStart: 128),
    Case(queries: 5, keys: 300, heads: 2, kvHeads: 1, headSize: 256, causalStart: 200),
    Case(queries: 1, keys: 192, heads: 2, kvHeads: 1, headSize: 80),
    Case(queries: 1, keys: 100, heads: 1, kvHeads: 1, headSize: 96, isHalf: true),
    Case(queries: 403, keys: 403, heads: 1, kvHeads: 1, headSize: 64, causalStart: 0),
    Case(queries: 2, keys: 63, heads: 1, kvHeads: 1, headSize: 7, isHalf: true),
    Case(queries: 2, keys: 64, heads: 1, kvHeads: 1, headSize: 96),
    Case(queries: 2, keys: 200, heads: 2, kvHeads: 1, headSize: 32, isHalf: true),
    Case(queries: 3, keys: 130, heads: 1, kvHeads: 1, headSize: 112, isHalf: true),
    Case(queries: 4, keys: 128, heads: 1, kvHeads: 1, headSize: 48, scoreScale: 12),
    Case(queries: 5, keys: 129, heads: 1, kvHeads: 1, headSize: 64, isHalf: true),
    Case(queries: 6, keys: 0, heads: 1, kvHeads: 1, headSize: 24),
    Case(queries: 20, keys: 196, heads: 2, kvHeads: 2, headSize: 64, gridWidth: 14),
    Case(queries: 13, keys: 256, heads: 2, kvHeads: 2, headSize: 80, gridWidth: 64),
    Case(queries: 1, keys: 70, heads: 1, kvHeads: 1, headSize: 16, gridWidth: 20),
  ]

  /// Scores so large that one key takes all the weight: what is summed changes its reference from block to block.
  static let steep = [64, 80].map { Case(queries: 20, keys: 300, heads: 2, kvHeads: 2, headSize: $0, scoreScale: 100) }

  final class Fixture {
    let c: Case
    let query: [Float], key: [Float], value: [Float]
    let halfKey: [UInt16], halfValue: [UInt16]
    /// [queries][heads][grid height], [queries][heads][grid width], one behind the other.
    let bias: [Float]
    init(_ c: Case) {
      self.c = c
      var random = SeededRandom(seed: UInt64(c.queries * 7 + c.keys))
      query = random.normal(c.queries * c.heads * c.headSize, scale: c.scoreScale)
      let keys = random.normal(c.keys * c.kvHeads * c.headSize)
      let values = random.normal(c.keys * c.kvHeads * c.headSize)
      (halfKey, halfValue) = (keys.map(halfBits), values.map(halfBits))
      key = c.isHalf ? halfKey.map(widened) : keys
      value = c.isHalf ? halfValue.map(widened) : values
      bias = c.gridWidth > 0 ? random.normal(c.queries * c.heads * (AttentionTests.gridHeight(c) + c.gridWidth)) : []
    }

    private var biasWidth: Int { AttentionTests.gridHeight(c) + c.gridWidth }

    func bias(_ query: Int, _ head: Int, _ key: Int) -> Float {
      guard c.gridWidth > 0 else { return 0 }
      let base = (query * c.heads + head) * biasWidth
      return bias[base + key / c.gridWidth] + bias[base + AttentionTests.gridHeight(c) + key % c.gridWidth]
    }

    func run(_ table: KernelTable, _ arithmetic: Arithmetic = .float, queries: Range<Int>? = nil) -> [Float] {
      let stride = c.heads * c.headSize
      var output = [Float](repeating: guardValue, count: c.queries * stride + 32)
      var a = AttentionArguments()
      (a.queryStride, a.outputStride) = (stride, stride)
      (a.tokenStride, a.headStride) = (c.kvHeads * c.headSize, c.headSize)
      a.arithmetic = arithmetic.code
      a.rows = c.isHalf ? FOVEA_ROWS_F16 : FOVEA_ROWS_F32
      (a.heads, a.kvHeads, a.headSize) = (Int64(c.heads), Int64(c.kvHeads), Int64(c.headSize))
      (a.queries, a.keys, a.causalStart) = (Int64(c.queries), Int64(c.keys), Int64(c.causalStart))
      a.scale = 1 / Float(c.headSize).squareRoot()
      let range = queries ?? 0..<c.queries
      query.withUnsafeBufferPointer { q in
        bias.withUnsafeBufferPointer { b in
          output.withUnsafeMutableBufferPointer { o in
            if let base = b.baseAddress, c.gridWidth > 0 {
              (a.rowBias, a.columnBias, a.gridWidth) = (base, base + AttentionTests.gridHeight(c), Int64(c.gridWidth))
              (a.biasStride, a.biasHeadStride) = (c.heads * biasWidth, biasWidth)
            }
            func call(_ k: UnsafeRawPointer?, _ v: UnsafeRawPointer?) {
              (a.query, a.key, a.value, a.output) = (q.baseAddress, k, v, o.baseAddress)
              for head in 0..<c.heads { table.attention(&a, head, range.lowerBound, range.upperBound) }
            }
            if c.isHalf {
              halfKey.withUnsafeBytes { k in halfValue.withUnsafeBytes { v in call(k.baseAddress, v.baseAddress) } }
            } else {
              key.withUnsafeBytes { k in value.withUnsafeBytes { v in call(k.baseAddress, v.baseAddress) } }
            }
          }
        }
      }
      return output
    }
  }

  enum Arithmetic: CaseIterable {
    case float, int8, int12
    var code: Int32 {
      switch self {
      case .float: FOVEA_ATTENTION_F32
      case .int8: FOVEA_ATTENTION_INT8
      case .int12: FOVEA_ATTENTION_INT12
      }
    }
  }

  @Test("every variant gives the scalar bits, whole or split by queries", arguments: cases + steep, Arithmetic.allCases)
  func everyVariantMatchesScalar(c: Case, arithmetic: Arithmetic) {
    let fixture = Fixture(c)
    let expected = fixture.run(KernelTable.all()[0], arithmetic)
    #expect(expected.suffix(32).allSatisfy { $0 == guardValue })
    let stride = c.heads * c.headSize
    for table in vectorTables {
      #expect(bits(fixture.run(table, arithmetic)) == bits(expected), "\(table.name)")
      for split in [1, 4] where split < c.queries {
        let part = fixture.run(table, arithmetic, queries: split..<c.queries)
        #expect(bits(Array(part[(split * stride)...])) == bits(Array(expected[(split * stride)...])), "\(table.name) from \(split)")
        #expect(part[0..<split * stride].allSatisfy { $0 == guardValue })
      }
    }
  }

  @Test("scalar agrees with softmax(q·kᵀ)·v in double precision", arguments: cases, Arithmetic.allCases)
  func scalarMatchesTheFormula(c: Case, arithmetic: Arithmetic) {
    let f = Fixture(c)
    let y = f.run(KernelTable.all()[0], arithmetic)
    // Integers: 12 bits of queries and keys give scores of size s an error of some s / 4000, 8 bits of some s / 250,
    // 11 bits of values one of 4 / 2000, 8 bits one of 4 / 250.
    let isSteep = c.scoreScale > 1
    let tolerance =
      switch arithmetic {
      case .float: isSteep ? 2e-5 : 2e-6
      case .int8: isSteep ? 5e-1 : 4e-2
      case .int12: isSteep ? 3e-2 : 4e-3
      }
    for i in 0..<c.queries {
      for head in 0..<c.heads {
        let kv = head * c.kvHeads / c.heads
        let visible = c.causalStart < 0 ? c.keys : min(c.keys, c.causalStart + i + 1)
        let scores = (0..<visible).map { j -> Double in
          (0..<c.headSize).reduce(0.0) {
            $0 + Double(f.query[(i * c.heads + head) * c.headSize + $1]) * Double(f.key[(j * c.kvHeads + kv) * c.headSize + $1])
          } / Double(c.headSize).squareRoot() + Double(f.bias(i, head, j))
        }
        let largest = scores.max() ?? 0
        let weights = scores.map { exp($0 - largest) }
        let total = weights.reduce(0, +)
        for d in 0..<c.headSize {
          let sum = (0..<visible).reduce(0.0) { $0 + weights[$1] * Double(f.value[($1 * c.kvHeads + kv) * c.headSize + d]) }
          // Scores of size s carry an error of about s · 2⁻²⁴ · a few, which e^s turns into a relative one.
          let expected = visible == 0 ? 0 : sum / total
          #expect(abs(Double(y[(i * c.heads + head) * c.headSize + d]) - expected) < tolerance)
        }
      }
    }
  }
}
