// SPDX-License-Identifier: Apache-2.0
import Runtime
import WeightFile

/// The tokens of the vocabulary that stand before and behind an image's vectors, `image.startId` and `image.endId`.
struct ImageMarks {
  private let embedding: Embedding
  private let ids: [Int32]

  /// - Parameter w: the file's root.
  init(_ w: Weights, _ m: Metadata, size: Int) throws(WeightFileError) {
    let vocabulary = try m.requireInt("language.vocabSize", in: 1...1_048_576)
    embedding = try Embedding(w["language.embedding"], count: vocabulary, size: size)
    ids = [
      Int32(try m.requireInt("image.startId", in: 0...vocabulary - 1)), Int32(try m.requireInt("image.endId", in: 0...vocabulary - 1)),
    ]
  }

  /// `x` `[tokens, size]` between its marks: `[1 + tokens + 1, size]`.
  func around(_ x: Tensor, _ ctx: Context) throws(RuntimeError) -> Tensor {
    let y = try ctx.arena.tensor(x.rows + 2, x.columns)
    copy(x, to: y.slice(rows: 1..<x.rows + 1), ctx)
    try mark(0, into: y.slice(rows: 0..<1), ctx)
    try mark(1, into: y.slice(rows: x.rows + 1..<x.rows + 2), ctx)
    return y
  }

  private func mark(_ which: Int, into row: Tensor, _ ctx: Context) throws(RuntimeError) {
    let id = try ctx.arena.array(of: Int32.self, 1)
    id[0] = ids[which]
    try embedding(UnsafeBufferPointer(start: id, count: 1), into: row, ctx)
  }
}
