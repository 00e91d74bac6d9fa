// SPDX-License-Identifier: Apache-2.0
import Decoders
import Runtime

/// One forward pass of the decoder: input vectors, the sequences that they continue, and the rows whose logits are wanted. The caller
/// owns the tensors, caches and targets.
package struct DecoderPass {
  /// Most rows whose logits are computed in one GEMM where they are not contiguous.
  private static let scoredTogether = 8
  /// Rows of logits computed between two checks of the deadline.
  private static let logitRows = 16

  package let decoder: Decoder
  /// `[rows, hiddenSize]`, overwritten.
  private let x: Tensor
  private var parts: [SequencePart] = []
  /// A row, and where its `vocabSize` logits go.
  private var scores: [(row: Int, target: UnsafeMutablePointer<Float>)] = []
  /// Rows appended so far.
  package private(set) var rows = 0

  /// An empty pass.
  package init(_ decoder: Decoder, _ x: Tensor) {
    self.decoder = decoder
    self.x = x
  }

  /// All rows of `x` continue one sequence.
  /// - Parameter scores: `[n, vocabSize]`, receives the logits of the last n rows.
  init(_ decoder: Decoder, _ x: Tensor, _ cache: KVCache, scores: Tensor?) {
    self.init(decoder, x)
    append(cache, rows: x.rows)
    guard let scores else { return }
    for i in 0..<min(scores.rows, rows) { score(row: rows - min(scores.rows, rows) + i, into: scores[i]) }
  }

  /// The next `count` rows continue the sequence in `cache`.
  package mutating func append(_ cache: KVCache, rows count: Int) {
    parts.append(SequencePart(cache, rows: rows..<rows + count))
    rows += count
  }

  /// Requests the logits of a row, `vocabSize` floats at `target`.
  package mutating func score(row: Int, into target: UnsafeMutablePointer<Float>) { scores.append((row, target)) }

  /// Appends another pass: copies its rows, and keeps its targets.
  mutating func append(_ other: DecoderPass) {
    let first = rows
    x[first].update(from: other.x.data, count: other.rows &* x.columns)
    for part in other.parts { append(part.cache, rows: part.rows.count) }
    for score in other.scores { scores.append((first + score.row, score.target)) }
  }

  /// Throws leave the caches' lengths as they were, so the pass can be run again.
  /// - Parameter progress: called after each layer with the number done.
  package func run(_ context: Context, progress: ((Int) -> Void)? = nil) throws(RuntimeError) {
    let lengths = parts.map { $0.cache.length }
    do throws(RuntimeError) { try compute(context, progress: progress) } catch {
      for (part, length) in zip(parts, lengths) { part.cache.truncate(to: length) }
      throw error
    }
  }

  private func compute(_ context: Context, progress: ((Int) -> Void)?) throws(RuntimeError) {
    let mark = context.arena.mark()
    defer { context.arena.release(to: mark) }
    let states = try decoder(x, parts, progress: progress, context)
    var start = 0
    while start < scores.count {
      let (row, target) = scores[start]
      var end = start + 1
      try context.check()
      let most = min(scores.count, start + Self.logitRows)
      while end < most, scores[end].row == row + end - start, scores[end].target == target + (end - start) &* decoder.vocabSize { end += 1 }
      if end == start + 1, scores.count > 1 {
        end = min(start + Self.scoredTogether, scores.count)
        try score(scores[start..<end], states, context)
      } else {
        let y = Tensor(data: target, rows: end - start, columns: decoder.vocabSize)
        try decoder.logits(states.slice(rows: row..<row + end - start), into: y, context)
      }
      start = end
    }
    try context.check()
  }

  /// The logits of rows that need not be contiguous.
  private func score(
    _ scores: ArraySlice<(row: Int, target: UnsafeMutablePointer<Float>)>, _ states: Tensor, _ context: Context
  ) throws(RuntimeError) {
    let mark = context.arena.mark()
    defer { context.arena.release(to: mark) }
    let h = try context.arena.tensor(scores.count, decoder.hiddenSize)
    let y = try context.arena.tensor(scores.count, decoder.vocabSize)
    for (i, score) in scores.enumerated() { h[i].update(from: states[score.row], count: h.columns) }
    try decoder.logits(h, into: y, context)
    for (i, score) in scores.enumerated() { score.target.update(from: y[i], count: y.columns) }
  }
}
