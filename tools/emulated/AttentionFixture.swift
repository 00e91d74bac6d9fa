// SPDX-License-Identifier: Apache-2.0
import Kernels
import Shims

/// Sizes of one attention.
struct AttentionCase {
  var queries, keys, heads, kvHeads, headSize: Int
  var causalStart = -1
  var scoreScale: Float = 1
  var gridWidth = 0

  static let all = [
    AttentionCase(queries: 1, keys: 1, heads: 1, kvHeads: 1, headSize: 1),
    AttentionCase(queries: 3, keys: 5, heads: 2, kvHeads: 2, headSize: 16),
    AttentionCase(queries: 7, keys: 64, heads: 2, kvHeads: 2, headSize: 64),
    AttentionCase(queries: 50, keys: 65, heads: 2, kvHeads: 1, headSize: 72),
    AttentionCase(queries: 49, keys: 177, heads: 2, kvHeads: 2, headSize: 64, scoreScale: 12),
    AttentionCase(queries: 49, keys: 177, heads: 2, kvHeads: 2, headSize: 48, scoreScale: 12),
    AttentionCase(queries: 13, keys: 130, heads: 3, kvHeads: 3, headSize: 104),
    AttentionCase(queries: 64, keys: 64, heads: 4, kvHeads: 2, headSize: 32, causalStart: 0),
    AttentionCase(queries: 70, keys: 170, heads: 4, kvHeads: 1, headSize: 48, causalStart: 100),
    AttentionCase(queries: 70, keys: 170, heads: 4, kvHeads: 1, headSize: 64, causalStart: 100),
    AttentionCase(queries: 1, keys: 200, heads: 4, kvHeads: 2, headSize: 128, causalStart: 199),
    AttentionCase(queries: 1, keys: 129, heads: 2, kvHeads: 2, headSize: 33, causalStart: 128),
    AttentionCase(queries: 5, keys: 300, heads: 2, kvHeads: 1, headSize: 256, causalStart: 200),
    AttentionCase(queries: 1, keys: 192, heads: 2, kvHeads: 1, headSize: 80),
    AttentionCase(queries: 2, keys: 63, heads: 1, kvHeads: 1, headSize: 7),
    AttentionCase(queries: 6, keys: 0, heads: 1, kvHeads: 1, headSize: 24),
    AttentionCase(queries: 6, keys: 0, heads: 1, kvHeads: 1, headSize: 64),
    AttentionCase(queries: 20, keys: 196, heads: 2, kvHeads: 2, headSize: 64, gridWidth: 14),
    AttentionCase(queries: 13, keys: 256, heads: 2, kvHeads: 2, headSize: 80, gridWidth: 64),
    AttentionCase(queries: 1, keys: 70, heads: 1, kvHeads: 1, headSize: 16, gridWidth: 20),
    AttentionCase(queries: 20, keys: 300, heads: 2, kvHeads: 2, headSize: 64, scoreScale: 100),
    AttentionCase(queries: 20, keys: 300, heads: 2, kvHeads: 2, headSize: 80, scoreScale: 100),
    AttentionCase(queries: 300, keys: 300, heads: 1, kvHeads: 1, headSize: 64, causalStart: 0),
  ]

  static func name(_ arithmetic: Int32, _ rows: Int32) -> String {
    let kind = arithmetic == FOVEA_ATTENTION_INT8 ? "attention in int8" : arithmetic == FOVEA_ATTENTION_INT12 ? "attention in int12" : "attention"
    return kind + (rows == FOVEA_ROWS_F16 ? " of f16" : rows == FOVEA_ROWS_INT8 ? " of int8" : " of f32")
  }
}

/// Numbers for a case, keys and values `[kvHead][key][rowSize]`.
struct AttentionFixture {
  let c: AttentionCase
  let rows: Int32
  let rowSize: Int
  let query: [Float]
  /// Keys, then values, as `rows` says.
  private let key, value: [UInt8]
  private let keyScale, valueScale: [Float]
  /// [queries][heads][grid height], [grid width], one behind the other.
  private let bias: [Float]
  private var gridHeight: Int { c.gridWidth > 0 ? (c.keys + c.gridWidth - 1) / c.gridWidth : 0 }

  init(_ c: AttentionCase, rows: Int32, _ scalar: KernelTable) {
    (self.c, self.rows) = (c, rows)
    let size = rows == FOVEA_ROWS_INT8 ? (c.headSize + 31) / 32 * 32 : c.headSize
    rowSize = size
    var random = SeededRandom(seed: UInt64(c.queries * 7 + c.keys))
    query = random.normal(c.queries * c.heads * c.headSize, scale: c.scoreScale)
    func packed(_ random: inout SeededRandom) -> ([UInt8], [Float]) {
      let x = random.normal(c.kvHeads * c.keys * c.headSize)
      if rows == FOVEA_ROWS_F32 { return (x.withUnsafeBytes { Array($0) }, []) }
      if rows == FOVEA_ROWS_F16 { return (x.map(halfBits).withUnsafeBytes { Array($0) }, []) }
      var bytes = [Int8](repeating: 0, count: c.kvHeads * c.keys * size)
      var (scales, offset) = ([Float](repeating: 0, count: c.kvHeads * c.keys), Int32(0))
      for row in 0..<c.kvHeads * c.keys {
        x.withUnsafeBufferPointer { x in
          bytes.withUnsafeMutableBufferPointer { q in
            guard let x = x.baseAddress, let q = q.baseAddress else { return }
            scalar.quantize(x + row * c.headSize, c.headSize, size, size, 0, q + row * size, &scales[row], &offset)
          }
        }
      }
      return (bytes.map { UInt8(bitPattern: $0) }, scales)
    }
    (key, keyScale) = packed(&random)
    (value, valueScale) = packed(&random)
    let height = c.gridWidth > 0 ? (c.keys + c.gridWidth - 1) / c.gridWidth : 0
    bias = random.normal(c.queries * c.heads * (height + c.gridWidth))
  }

  /// Outputs of queries from `first` on, guards elsewhere.
  func run(_ table: KernelTable, _ arithmetic: Int32, _ first: Int) -> [Float] {
    let stride = c.heads * c.headSize
    var output = [Float](repeating: guardValue, count: c.queries * stride + 32)
    var a = AttentionArguments()
    (a.queryStride, a.outputStride) = (stride, stride)
    (a.tokenStride, a.headStride, a.scaleStride) = (rowSize, rowSize * c.keys, c.keys)
    a.rows = rows
    a.arithmetic = arithmetic
    (a.heads, a.kvHeads, a.headSize) = (Int64(c.heads), Int64(c.kvHeads), Int64(c.headSize))
    (a.queries, a.keys, a.causalStart) = (Int64(c.queries), Int64(c.keys), Int64(c.causalStart))
    a.scale = 1 / Float(c.headSize).squareRoot()
    let biasWidth = gridHeight + c.gridWidth
    query.withUnsafeBufferPointer { q in
      key.withUnsafeBytes { k in
        value.withUnsafeBytes { v in
          keyScale.withUnsafeBufferPointer { ks in
            valueScale.withUnsafeBufferPointer { vs in
              bias.withUnsafeBufferPointer { b in
                output.withUnsafeMutableBufferPointer { o in
                  (a.query, a.key, a.value, a.output) = (q.baseAddress, k.baseAddress, v.baseAddress, o.baseAddress)
                  if rows == FOVEA_ROWS_INT8 { (a.keyScale, a.valueScale) = (ks.baseAddress, vs.baseAddress) }
                  if let base = b.baseAddress, c.gridWidth > 0 {
                    (a.rowBias, a.columnBias, a.gridWidth) = (base, base + gridHeight, Int64(c.gridWidth))
                    (a.biasStride, a.biasHeadStride) = (c.heads * biasWidth, biasWidth)
                  }
                  for head in 0..<c.heads { table.attention(&a, head, first, c.queries) }
                }
              }
            }
          }
        }
      }
    }
    return output
  }
}
