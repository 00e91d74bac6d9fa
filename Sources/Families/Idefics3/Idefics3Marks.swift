// SPDX-License-Identifier: Apache-2.0
import Runtime
import Schema
import WeightFile

/// The tokens between an image's vectors, by `Idefics3MarkSettings`.
struct Idefics3Marks {
  private let embedding: Embedding
  private let wholeIds, endIds, rowEndIds, tilesEndIds: [Int32]
  /// Ids before each tile of the largest grid.
  private let tileIds: [[Int32]]
  /// Columns of that grid.
  private let mostColumns: Int

  /// - Parameters:
  ///   - w: the file's root.
  ///   - size: the decoder's `hiddenSize`.
  ///   - mostColumns: columns of the largest grid.
  init(_ w: Weights, _ s: Idefics3MarkSettings, mostColumns: Int, size: Int) throws(WeightFileError) {
    embedding = try Embedding(w["language.embedding"], count: s.vocabSize, size: size)
    func ids(_ list: some Sequence<Int>) -> [Int32] { list.map { Int32(truncatingIfNeeded: $0) } }
    (wholeIds, endIds, rowEndIds, tilesEndIds) = (ids(s.wholeIds), ids(s.endIds), ids(s.rowEndIds), ids(s.tilesEndIds))
    var (tiles, first): ([[Int32]], Int) = ([], 0)
    for count in s.tileCounts {
      tiles.append(ids(s.tileIds[first..<first + count]))
      first += count
    }
    tileIds = tiles
    self.mostColumns = mostColumns
  }

  /// Ids before the vectors of view `i` of a grid; the whole image's is the last.
  func before(_ i: Int, rows: Int, columns: Int) -> [Int32] {
    let tiles = rows * columns
    if i == tiles { return (tiles > 0 ? tilesEndIds : []) + wholeIds }
    let place = i / columns * mostColumns + i % columns
    let own = place < tileIds.count ? tileIds[place] : []
    return (i > 0 && i % columns == 0 ? rowEndIds : []) + own
  }

  /// Most tokens that stand between the vectors of an image.
  func most(rows: Int, columns: Int) -> Int {
    (0...rows * columns).reduce(endIds.count) { $0 + before($1, rows: rows, columns: columns).count }
  }

  /// The vectors of each view between their marks, and the row at which each view's begin.
  /// - Parameter x: `[views · count, size]`, the whole image last.
  func between(_ x: Tensor, count: Int, rows: Int, columns: Int, _ ctx: Context) throws(RuntimeError) -> (tokens: Tensor, first: [Int]) {
    let views = rows * columns + 1
    var ids: [Int32] = []
    // The row at which each view's vectors begin.
    var first: [Int] = []
    var place = 0
    for i in 0..<views {
      let marks = before(i, rows: rows, columns: columns)
      ids += marks
      first.append(place + marks.count)
      place += marks.count + count
    }
    ids += endIds
    let y = try ctx.arena.tensor(place + endIds.count, x.columns)
    let embedded = try ctx.arena.tensor(ids.count, x.columns)
    let list = try ctx.arena.array(of: Int32.self, ids.count)
    for (i, id) in ids.enumerated() { list[i] = id }
    try embedding(UnsafeBufferPointer(start: list, count: ids.count), into: embedded, ctx)
    var mark = 0
    for i in 0..<views {
      let start = i == 0 ? 0 : first[i - 1] + count
      let marks = first[i] - start
      copy(embedded.slice(rows: mark..<mark + marks), to: y.slice(rows: start..<first[i]), ctx)
      copy(x.slice(rows: i * count..<(i + 1) * count), to: y.slice(rows: first[i]..<first[i] + count), ctx)
      mark += marks
    }
    copy(embedded.slice(rows: mark..<ids.count), to: y.slice(rows: place..<y.rows), ctx)
    return (y, first)
  }
}
