// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Learned position embeddings of a square map, row by row.
package struct PositionTable {
  /// How the table is fitted to a map of another size.
  package enum Resizing {
    /// The table, resized bicubically.
    case bicubic
    /// For each patch the row and column of the table that it falls in, both maps stretched over the same picture.
    case nearest
  }

  /// `[side², size]`.
  package let values: TensorView
  package let side: Int
  package let resizing: Resizing

  package init(_ values: TensorView, side: Int, resizing: Resizing = .bicubic) {
    self.values = values
    self.side = side
    self.resizing = resizing
  }

  /// The position embeddings of a map of `grid²` patches.
  package func callAsFunction(grid: Int, _ ctx: Context) throws(RuntimeError) -> TensorView {
    switch resizing {
    case .bicubic:
      if side == grid { return values }
      return try Interpolation.bicubic(values, height: side, width: side, toHeight: grid, toWidth: grid, ctx).view
    case .nearest:
      let places = PositionTable.nearest(grid: grid, side: side)
      let positions = try ctx.arena.tensor(grid * grid, values.columns)
      copyRows(values, to: positions, ctx) { places[$0 / grid] * side + places[$0 % grid] }
      return positions.view
    }
  }

  /// Which of `side` equal parts of a line each of `grid` equally spaced points falls in, the first at the beginning (NaViT's
  /// fractional coordinates, arXiv:2307.06304 §2.1), in single precision as transformers computes it: a point that lies on a boundary
  /// but for its rounding may fall in the part before.
  package static func nearest(grid: Int, side: Int) -> [Int] {
    let part = 1 / Double(side)
    // Boundaries lie between the parts.
    let boundaries = (0..<max(side - 1, 0)).map { Float(part + Double($0) * part) }
    let step = 1 / Float(grid)
    var places: [Int] = []
    var place = 0
    for i in 0..<grid {
      let point = min(Float(i) * step, Float(1 - 1e-6))
      while place < boundaries.count, boundaries[place] <= point { place += 1 }
      places.append(place)
    }
    return places
  }
}
