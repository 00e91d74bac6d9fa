// SPDX-License-Identifier: Apache-2.0
#if HAS_LANES
import Shims

extension VectorKernels {
  /// softmax(scale · q·kᵀ) · v of one head in the arithmetic that the arguments name; order of operations and preconditions as in
  /// ScalarKernels, exact to it.
  ///
  /// Keys and values are packed in blocks of 64, for as many queries as the scratch memory takes; scores and outputs are register tiles of 6 queries
  /// × 16 or 64 columns. Fastest with many queries a call, a multiple of 6: each call packs the keys it sees. Stack: at most `largestStackMemory`.
  @export(interface)
  package static func attention(
    _ arguments: UnsafePointer<AttentionArguments>, _ head: Int, _ firstQuery: Int, _ endQuery: Int
  ) {
    let (headSize, count) = (Int(arguments.pointee.headSize), endQuery - firstQuery)
    guard count > 0, headSize > 0, arguments.pointee.heads > 0 else { return }
    let floats =
      switch arguments.pointee.arithmetic {
      case FOVEA_ATTENTION_INT8: AttentionInt8Tiles.floats(headSize: headSize, queries: AttentionInt8Tiles.queries(headSize: headSize, count))
      case FOVEA_ATTENTION_INT12: AttentionInt12Tiles.floats(headSize: headSize, queries: AttentionInt12Tiles.queries(headSize: headSize, count))
      default: AttentionFloatTiles.floats(headSize: headSize, queries: AttentionFloatTiles.queries(headSize: headSize, count))
      }
    fovea_with_stack(
      floats * 4,
      { context, head, first, end, scratch in
        guard let context, let scratch else { return }
        let (a, memory) = (context.assumingMemoryBound(to: AttentionArguments.self), scratch.assumingMemoryBound(to: Float.self))
        switch a.pointee.arithmetic {
        case FOVEA_ATTENTION_INT8: VectorKernels.attentionInt8(a, head, first, end, memory)
        case FOVEA_ATTENTION_INT12: VectorKernels.attentionInt12(a, head, first, end, memory)
        default: VectorKernels.attentionFloat(a, head, first, end, memory)
        }
      }, arguments, head, firstQuery, endQuery)
  }

  // Each in a function of its own, so that the register allocator sees one kernel at a time.
  @inline(never)
  private static func attentionFloat(
    _ a: UnsafePointer<AttentionArguments>, _ head: Int, _ first: Int, _ end: Int, _ memory: UnsafeMutablePointer<Float>
  ) {
    attendInKeyBlocks(AttentionFloatTiles.self, a.pointee, head, first, end, memory)
  }

  @inline(never)
  private static func attentionInt8(
    _ a: UnsafePointer<AttentionArguments>, _ head: Int, _ first: Int, _ end: Int, _ memory: UnsafeMutablePointer<Float>
  ) {
    attendInKeyBlocks(AttentionInt8Tiles.self, a.pointee, head, first, end, memory)
  }

  @inline(never)
  private static func attentionInt12(
    _ a: UnsafePointer<AttentionArguments>, _ head: Int, _ first: Int, _ end: Int, _ memory: UnsafeMutablePointer<Float>
  ) {
    attendInKeyBlocks(AttentionInt12Tiles.self, a.pointee, head, first, end, memory)
  }

  /// Goes through the visible keys in blocks of 64, once for each part of the queries that fits into the scratch memory.
  @inline(__always)
  private static func attendInKeyBlocks<T: AttentionTiles>(
    _: T.Type, _ a: AttentionArguments, _ head: Int, _ firstQuery: Int, _ endQuery: Int, _ memory: UnsafeMutablePointer<Float>
  ) {
    guard let keys = a.key, let values = a.value else { return }
    let queries = T.queries(headSize: Int(a.headSize), endQuery - firstQuery)
    let tiles = T(memory, headSize: Int(a.headSize), queries: queries)
    let keyHead = head * Int(a.kvHeads) / Int(a.heads)
    var first = firstQuery
    while first < endQuery {
      let count = endQuery - first < queries ? endQuery - first : queries
      tiles.begin(a, head, first, count)
      let visible = visibleKeys(a, first + count - 1)
      let end = T.packsHiddenKeys ? Int(a.keys) : visible
      var start = 0
      while start < visible {
        let block = AttentionBlock(head: head, keyHead: keyHead, start: start, count: end - start < 64 ? end - start : 64, visible: visible)
        tiles.visit(a, keys, values, block, first, count)
        start += 64
      }
      tiles.finish(a, head, first, count)
      first += count
    }
  }

  /// How many keys query `i` sees.
  @inline(__always)
  static func visibleKeys(_ a: AttentionArguments, _ i: Int) -> Int {
    if a.causalStart < 0 { return Int(a.keys) }
    let seen = Int(a.causalStart) + i + 1
    return seen < Int(a.keys) ? seen : Int(a.keys)
  }
}

/// Keys `start ..< start + count` of one head.
struct AttentionBlock {
  let head, keyHead: Int
  let start, count: Int
  /// Keys that the last of the queries sees.
  let visible: Int

  /// The head's first key or value, in elements.
  @inline(__always) func offset(_ a: AttentionArguments) -> Int { keyHead * a.headStride }
}

/// Scratch memory of one arithmetic, for some queries and one block of keys, and the steps of attention on it.
protocol AttentionTiles {
  /// Whether keys of the last block that no query sees are packed too: quantisation scales of values cover the whole block.
  static var packsHiddenKeys: Bool { get }
  /// How many of `count` queries to take at a time.
  static func queries(headSize: Int, _ count: Int) -> Int
  /// Size of the scratch memory in floats.
  static func floats(headSize: Int, queries: Int) -> Int
  init(_ memory: UnsafeMutablePointer<Float>, headSize: Int, queries: Int)
  /// Loads queries first ..< first + count and clears their sums and outputs.
  func begin(_ a: AttentionArguments, _ head: Int, _ first: Int, _ count: Int)
  /// Adds a block to the outputs of queries first ..< first + count.
  func visit(_ a: AttentionArguments, _ keys: UnsafeRawPointer, _ values: UnsafeRawPointer, _ block: AttentionBlock, _ first: Int, _ count: Int)
  func pack(_ a: AttentionArguments, _ keys: UnsafeRawPointer, _ values: UnsafeRawPointer, _ block: AttentionBlock)
  /// Scores, softmax weights and outputs of queries first + i ..< first + i + rows (1 … 6), which see `seen` keys of the packed block.
  func add(_ a: AttentionArguments, _ block: AttentionBlock, _ first: Int, _ i: Int, _ rows: Int, _ seen: Int)
  /// Divides by the sums of weights and writes the outputs; zeros for a query that saw no key.
  func finish(_ a: AttentionArguments, _ head: Int, _ first: Int, _ count: Int)
}

extension AttentionTiles {
  @inline(__always)
  func visit(_ a: AttentionArguments, _ keys: UnsafeRawPointer, _ values: UnsafeRawPointer, _ block: AttentionBlock, _ first: Int, _ count: Int) {
    visitInTiles(a, keys, values, block, first, count)
  }

  /// Packs the block, then adds it to 6 queries at a time.
  @inline(__always)
  func visitInTiles(
    _ a: AttentionArguments, _ keys: UnsafeRawPointer, _ values: UnsafeRawPointer, _ block: AttentionBlock, _ first: Int, _ count: Int
  ) {
    pack(a, keys, values, block)
    var i = 0
    while i < count {
      let rows = count - i < 6 ? count - i : 6
      let seen = VectorKernels.visibleKeys(a, first + i + rows - 1) - block.start
      if seen > 0 { add(a, block, first, i, rows, seen < block.count ? seen : block.count) }
      i += 6
    }
  }
}
#endif
