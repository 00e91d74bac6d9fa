// SPDX-License-Identifier: Apache-2.0
import Foundation
import Runtime
import Testing

@Suite struct WindowAttentionTests {
  /// Rolled and cut grids of sides that the window divides or not: each place has one cell, the rest is padding.
  @Test(arguments: [(1, 1, 0), (6, 3, 0), (6, 3, 1), (7, 3, 2), (2, 5, 3), (14, 7, 3)])
  func everyPlaceHasOneCell(grid: Int, side: Int, shift: Int) {
    let windows = Windows(grid: grid, side: side, shift: shift)
    let across = (grid + side - 1) / side
    #expect(windows.count == across * across)
    var seen = 0
    for i in 0..<windows.count * side * side {
      guard let place = windows.place(i) else { continue }
      #expect(windows.row(place) == i)
      seen += 1
    }
    #expect(seen == grid * grid)
  }

  /// Against the sums of the formula; the mask as Swin makes it, from the slices of the rolled map.
  @Test(arguments: [(4, 2, 0, 1, 4), (4, 2, 1, 2, 3), (5, 3, 1, 2, 4), (6, 3, 2, 3, 8)])
  func givesTheSumsOfTheFormula(grid: Int, side: Int, shift: Int, heads: Int, headSize: Int) throws {
    let windows = Windows(grid: grid, side: side, shift: shift)
    let (cells, size, across) = (side * side, heads * headSize, (grid + side - 1) / side)
    var random = SeededGenerator(UInt64(grid * 10 + shift))
    let qkv = random.floats(windows.count * cells * 3 * size)
    let bias = random.floats((2 * side - 1) * (2 * side - 1) * heads)
    let y = try onAnyThreads("window attention") { ctx in
      try windowAttention(
        qkv: ctx.tensor(qkv, rows: windows.count * cells), heads: heads, windows: windows,
        bias: ctx.tensor(bias, rows: (2 * side - 1) * (2 * side - 1)).view, ctx)
    }

    let edge = across * side
    func band(_ i: Int) -> Int {
      let cuts = [0..<edge - side, edge - side..<edge - shift, edge - shift..<edge]
      return shift == 0 ? 0 : cuts.lastIndex { $0.contains(i) } ?? 0
    }
    func region(_ w: Int, _ cell: Int) -> [Int] { [band(w / across * side + cell / side), band(w % across * side + cell % side)] }
    func value(_ row: Int, _ part: Int, _ k: Int) -> Double { Double(qkv[row * 3 * size + part * size + k]) }
    var expected = [Double](repeating: 0, count: y.count)
    for w in 0..<windows.count {
      for head in 0..<heads {
        let channels = head * headSize..<(head + 1) * headSize
        for i in 0..<cells {
          let scores = (0..<cells).map { j in
            let products = channels.map { value(w * cells + i, 0, $0) * value(w * cells + j, 1, $0) }
            let difference = (i / side - j / side + side - 1) * (2 * side - 1) + i % side - j % side + side - 1
            return exp(
              products.reduce(0, +) / Double(headSize).squareRoot() + Double(bias[difference * heads + head])
                - (region(w, i) == region(w, j) ? 0 : 100))
          }
          let sum = scores.reduce(0, +)
          for k in channels {
            expected[(w * cells + i) * size + k] = (0..<cells).map { scores[$0] / sum * value(w * cells + $0, 2, k) }.reduce(0, +)
          }
        }
      }
    }
    // f32 sums of a few products.
    #expect(largestError(y, expected) < 5e-6)
  }

  @Test func otherShapesAreErrors() throws {
    let ctx = context()
    let windows = Windows(grid: 4, side: 2)
    let (qkv, bias) = (try ctx.arena.tensor(16, 12), try ctx.arena.tensor(9, 2))
    #expect(throws: RuntimeError.self) { try windowAttention(qkv: qkv, heads: 0, windows: windows, bias: bias.view, ctx) }
    #expect(throws: RuntimeError.self) { try windowAttention(qkv: qkv, heads: 5, windows: windows, bias: bias.view, ctx) }
    #expect(throws: RuntimeError.self) { try windowAttention(qkv: qkv, heads: 4, windows: windows, bias: bias.view, ctx) }
    #expect(throws: RuntimeError.self) {
      try windowAttention(qkv: qkv.slice(rows: 0..<12), heads: 2, windows: windows, bias: bias.view, ctx)
    }
  }

  @Test func distinctRowsAreThoseWithoutALaterTwin() throws {
    let ctx = context()
    let rows: [[Float]] = [[1, 0, 0], [0, 1, 0], [2, 0, 0], [0, 0, 1], [0, 3, 0.1]]
    let x = try ctx.tensor(rows.flatMap { $0 }, rows: 5)
    #expect(try distinctRows(x.view, count: 3, ctx) == [2, 3, 4])
    #expect(try distinctRows(x.view, count: 5, ctx) == [0, 1, 2, 3, 4])
    #expect(throws: RuntimeError.self) { try distinctRows(x.view, count: 6, ctx) }
  }
}
