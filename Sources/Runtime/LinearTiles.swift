// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// How a GEMM is split over threads: tiles of row blocks × tokens, each computed by one thread.
///
/// A tile's weights, its activations and its results fit in a core's L2 cache together. The tiles of one group of blocks follow each
/// other, so that its weights come from memory once. No sum is split, so tiling never changes a result.
struct LinearTiles {
  private static let weightShare = 384 << 10
  private static let tokenShare = 224 << 10
  /// Tokens of the widest kernel's register tile; a multiple of the other kernels'.
  static let registerTile = 12
  /// Stack memory for the results of one tile.
  private static let resultMemory = 192 << 10
  /// Blocks whose results for `registerTile` tokens fit on the stack.
  static let mostBlocks = resultMemory / (registerTile * 64) & -2
  /// Weight bytes · tokens that a tile should have at least.
  private static let smallestWork = 32 << 10

  /// The first block, and how many there are.
  let first, blocks: Int
  let tokens: Int
  private var blockStep: Int
  private var tokenStep: Int
  /// How many runs of neighbouring tiles are computed at the same time.
  private let runs: Int

  /// - Parameters:
  ///   - halves: 2: a block also stands for its counterpart in the second half of the matrix (gate | up).
  ///   - unit: blocks that must be in one tile.
  ///   - part: of the blocks; nil: all.
  init(tokens: Int, layout: PackedLayout, threads: Int, halves: Int = 1, unit: Int = 1, part: Range<Int>? = nil) {
    first = part?.lowerBound ?? 0
    blocks = part?.count ?? layout.blocks / halves
    self.tokens = tokens
    // Even, for kernels that take two blocks at once.
    let even = unit == 1 ? 2 : unit
    // One token uses each weight once, so they need not fit into the cache.
    let fittingBlocks = tokens == 1 ? blocks : min(LinearTiles.weightShare / max(layout.blockStride, 1), LinearTiles.mostBlocks) / halves
    let step = min(max(fittingBlocks / even, 1), (blocks - 1) / even + 1) &* even
    // Bytes of a token: int8 with scales and offsets, or floats; and its outputs.
    let inputBytes = layout.encoding.isQuantized ? layout.paddedInputs &+ layout.groups &* 8 : layout.inputs &* 4
    let tokenBytes = inputBytes &+ step &* halves &* 64
    // Equal parts in whole register tiles: a part-filled tile costs as much as a full one.
    let fitting = min(LinearTiles.tokenShare / tokenBytes, LinearTiles.resultMemory / (step &* halves &* 64))
    let tiles = max(fitting / LinearTiles.registerTile, 1)
    let wholeTiles = (tokens - 1) / LinearTiles.registerTile + 1
    let parts = (wholeTiles - 1) / tiles + 1
    tokenStep = ((wholeTiles - 1) / parts + 1) &* LinearTiles.registerTile
    // Four tiles a thread where the size allows, so that the last ones balance the load. A product that takes less time than waking a
    // thread stays whole.
    let work = layout.blockStride &* blocks &* halves / 64 &* tokens / (LinearTiles.smallestWork / 64) &+ 1
    let tokenTiles = (tokens - 1) / tokenStep + 1
    let wanted = threads == 1 ? 1 : (min(threads &* 4, work) - 1) / tokenTiles + 1
    blockStep = min(step, max((blocks - 1) / wanted + 1, 1))
    if blockStep > 2 { blockStep &= -2 }
    if unit > 1 { blockStep = (blockStep - 1) / unit &* unit &+ unit }
    // With few tokens the kernels prefetch the weights that follow: a thread's next tile is to be the neighbour of its last.
    runs = tokens <= LinearTiles.registerTile ? min(threads, (blocks - 1) / blockStep + 1) : 1
  }

  private var tokenTiles: Int { (tokens - 1) / tokenStep + 1 }
  private var blockTiles: Int { (blocks - 1) / blockStep + 1 }

  var count: Int { blockTiles &* tokenTiles }

  subscript(i: Int) -> (blocks: Range<Int>, tokens: Range<Int>) {
    let token = i % tokenTiles &* tokenStep
    var tile = i / tokenTiles
    if runs > 1 {  // blockTiles / runs to a run, the first ones taking what is left over
      let (run, step) = (tile % runs, tile / runs)
      tile = run &* (blockTiles / runs) &+ min(run, blockTiles % runs) &+ step
    }
    let block = tile &* blockStep
    return (first &+ block..<first &+ min(block &+ blockStep, blocks), token..<min(token &+ tokenStep, tokens))
  }
}
