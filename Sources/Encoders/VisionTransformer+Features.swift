// SPDX-License-Identifier: Apache-2.0
import Runtime

extension VisionTransformer {
  /// Encodes another network's features in place of patch embeddings: square maps of any side, position embeddings resized with antialiasing.
  /// - Parameters:
  ///   - features: `[views · side², hiddenSize]`.
  ///   - progress: called after each block with the number done.
  /// - Returns: `[views · side², hiddenSize]`, without the class token.
  package func callAsFunction(
    features: Tensor, views: Int, side: Int, progress: ((Int) -> Void)? = nil, _ ctx: Context
  ) throws(RuntimeError) -> Tensor {
    let places = side * side
    guard views > 0, features.rows == views * places else {
      throw .shape(operation: "features of a tower", expected: views * places, found: features.rows)
    }
    guard features.columns == config.hiddenSize else {
      throw .shape(operation: "features of a tower", expected: config.hiddenSize, found: features.columns)
    }
    let y = try ctx.arena.tensor(features.rows, config.hiddenSize)
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    let (first, tokens) = (config.classRows, places + config.classRows)
    func place(_ row: Int) -> Int? { row % tokens < first ? nil : row % tokens - first }
    let x = try ctx.arena.tensor(views * tokens, config.hiddenSize)
    copyRows(features, to: x, ctx) { row in place(row).map { row / tokens * places + $0 } }
    try addRows(positions.antialiased(grid: side, ctx), to: x, ctx, source: place)
    for part in [classEmbedding, classPosition] {
      if let part { addRows(part, to: x, ctx) { $0 % tokens == 0 ? 0 : nil } }
    }
    try run(x, views: views, hook: nil, progress: progress, ctx)
    copyRows(x, to: y, ctx) { $0 / places * tokens + first + $0 % places }
    return y
  }
}
