// SPDX-License-Identifier: Apache-2.0
import Kernels
import Shims
import WeightFile

/// y = x·Wᵀ + bias. W is stored in any packed encoding: f32, f16, int8 or int4; nothing above this type knows which.
package struct Linear {
  package let weight: PackedMatrix
  private let bias: UnsafePointer<Float>?

  /// - Parameter w: leaf `weight` (packed, `[to, from]`) and, if present, `bias` (plain, `[to]`).
  package init(_ w: Weights, from inputs: Int, to outputs: Int) throws(WeightFileError) {
    weight = try w.matrix("weight", outputs: outputs, inputs: inputs)
    bias = w.has("bias") ? try w.vector("bias", count: outputs) : nil
  }

  /// A product without bias on a matrix that something else also uses (a tied output head).
  package init(_ weight: PackedMatrix) {
    self.weight = weight
    bias = nil
  }

  package var inputSize: Int { weight.layout.inputs }
  package var outputSize: Int { weight.layout.outputs }
  /// Weight bytes that one call reads.
  package var byteCount: Int { weight.layout.byteCount }

  /// - Parameter x: `[tokens, inputSize]`.
  /// - Returns: `[tokens, outputSize]`, in the arena.
  package func callAsFunction(_ x: Tensor, _ ctx: Context) throws(RuntimeError) -> Tensor {
    let y = try ctx.arena.tensor(x.rows, outputSize)
    try self(x, into: y, ctx)
    return y
  }

  /// - Parameters:
  ///   - x: `[tokens, inputSize]`.
  ///   - y: `[tokens, outputSize]`, overwritten; not overlapping `x`.
  package func callAsFunction(_ x: Tensor, into y: Tensor, _ ctx: Context) throws(RuntimeError) {
    guard x.columns == inputSize else { throw .shape(operation: "linear input", expected: inputSize, found: x.columns) }
    guard y.columns == outputSize else { throw .shape(operation: "linear output", expected: outputSize, found: y.columns) }
    guard x.rows == y.rows else { throw .shape(operation: "linear rows", expected: x.rows, found: y.rows) }
    guard x.rows > 0 else { return }
    let layout = weight.layout
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }

    var arguments = LinearArguments()
    arguments.weights = weight.data.assumingMemoryBound(to: UInt8.self)
    arguments.blockStride = layout.blockStride
    arguments.payloadOffset = layout.payloadOffset
    arguments.inputs = Int64(layout.paddedInputs)
    arguments.group = Int64(layout.group)
    arguments.outputs = Int64(layout.outputs)
    arguments.y = y.data
    arguments.yStride = y.columns
    arguments.bias = bias
    if layout.encoding.isQuantized {
      let (q, scales, offsets) = try quantized(x, ctx)
      arguments.x = UnsafePointer(q)
      arguments.xScales = UnsafePointer(scales)
      arguments.xOffsets = UnsafePointer(offsets)
      arguments.xStride = layout.paddedInputs
    } else {
      arguments.xFloat = UnsafePointer(x.data)
      arguments.xStride = x.columns
    }

    let kernel =
      switch layout.encoding {
      case .q8x16: ctx.kernels.linearQ8
      case .q4x16: ctx.kernels.linearQ4
      case .f16x16: ctx.kernels.linearF16
      case .f32x16, .f32, .f16: ctx.kernels.linearF32  // the plain ones have no PackedLayout
      }
    let tiles = LinearTiles(tokens: x.rows, layout: layout, threads: ctx.pool.threads)
    withUnsafePointer(to: arguments) { arguments in
      ctx.pool.run(tiles.count) { i in
        let (blocks, tokens) = tiles[i]
        kernel(arguments, blocks.lowerBound, blocks.upperBound, tokens.lowerBound, tokens.upperBound)
      }
    }
  }

  /// Rows of x as int8 with a scale and an offset per group.
  private func quantized(_ x: Tensor, _ ctx: Context) throws(RuntimeError) -> (
    UnsafeMutablePointer<Int8>, UnsafeMutablePointer<Float>, UnsafeMutablePointer<Int32>
  ) {
    let (padded, groups, group) = (weight.layout.paddedInputs, weight.layout.groups, weight.layout.group)
    let q = try ctx.arena.array(of: Int8.self, x.rows, padded)
    let scales = try ctx.arena.array(of: Float.self, x.rows, groups)
    let zero: Int32 = weight.layout.encoding == .q8x16 ? 128 : 8
    let offsets = try ctx.arena.array(of: Int32.self, x.rows, groups)
    ctx.split(rows: x.rows, cost: padded) { rows in
      for row in rows {
        ctx.kernels.quantize(
          x[row], x.columns, padded, group, zero, q + row &* padded, scales + row &* groups, offsets + row &* groups)
      }
    }
    return (q, scales, offsets)
  }
}

/// How a product is cut over threads: tiles of row blocks × tokens that are computed one by one, each by one thread.
///
/// A tile's weights and its activations both fit in a core's L2 cache. The tiles of one group of blocks follow each other, so
/// that its weights come from memory once. No sum is ever cut, so the cut never changes a result.
struct LinearTiles {
  private static let cacheShare = 256 << 10
  /// Tokens that the widest kernel computes together; divisible by what the others take.
  private static let registerTile = 12
  /// Weight bytes · tokens that a tile should have at least.
  private static let smallestWork = 32 << 10

  let blocks, tokens: Int
  private(set) var blockStep: Int
  private(set) var tokenStep: Int

  init(tokens: Int, layout: PackedLayout, threads: Int) {
    blocks = layout.blocks
    self.tokens = tokens
    // What a token's activations take: int8 with scales and sums, or floats.
    let tokenBytes = layout.encoding.isQuantized ? layout.paddedInputs &+ layout.groups &* 8 : layout.inputs &* 4
    // Equal parts in whole register tiles: a part-filled tile costs as much as a full one.
    let fitting = max(LinearTiles.registerTile, LinearTiles.cacheShare / max(tokenBytes, 1))
    let parts = (tokens - 1) / fitting + 1
    tokenStep = (tokens - 1) / parts + 1
    tokenStep = (tokenStep + LinearTiles.registerTile - 1) / LinearTiles.registerTile &* LinearTiles.registerTile
    // Even, for kernels that take two blocks at once.
    blockStep = max(2, LinearTiles.cacheShare / max(layout.blockStride, 1)) & -2
    // Four tiles a thread where the size allows: the last ones even out threads that were held up. A product that is done in
    // the time a thread takes to wake stays whole.
    let work = layout.byteCount / 64 &* tokens / (LinearTiles.smallestWork / 64) &+ 1
    let tokenTiles = (tokens - 1) / tokenStep + 1
    let wanted = threads == 1 ? 1 : (min(threads &* 4, work) - 1) / tokenTiles + 1
    blockStep = min(blockStep, max((blocks - 1) / wanted + 1, 1))
    if blockStep > 2 { blockStep &= -2 }
  }

  private var tokenTiles: Int { (tokens - 1) / tokenStep + 1 }
  private var blockTiles: Int { (blocks - 1) / blockStep + 1 }

  var count: Int { blockTiles &* tokenTiles }

  subscript(i: Int) -> (blocks: Range<Int>, tokens: Range<Int>) {
    let block = i / tokenTiles &* blockStep
    let token = i % tokenTiles &* tokenStep
    return (block..<min(block &+ blockStep, blocks), token..<min(token &+ tokenStep, tokens))
  }
}
