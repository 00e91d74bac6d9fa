// SPDX-License-Identifier: Apache-2.0
import Runtime
import Schema
import WeightFile

/// The vocabulary's tokens before and after an image's vectors, by `ImageMarkSettings`.
struct ImageMarks {
  private let embedding: Embedding
  private let ids: [Int32]

  /// - Parameters:
  ///   - w: the file's root.
  ///   - size: the decoder's `hiddenSize`.
  init(_ w: Weights, _ s: ImageMarkSettings, size: Int) throws(WeightFileError) {
    embedding = try Embedding(w["language.embedding"], count: s.vocabSize, size: size)
    ids = [Int32(s.startId), Int32(s.endId)]
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
