// SPDX-License-Identifier: Apache-2.0
import Foundation
import Runtime
import Testing

/// softmax(q·kᵀ/√d)·v in double precision. `visible`: keys that query i sees.
private func expectedAttention(
  queries: Int, heads: Int, kvHeads: Int, headSize: Int, visible: (Int) -> Int,
  q: (_ i: Int, _ head: Int, _ d: Int) -> Float, k: (_ j: Int, _ head: Int, _ d: Int) -> Float,
  v: (_ j: Int, _ head: Int, _ d: Int) -> Float
) -> [Double] {
  var y = [Double](repeating: 0, count: queries * heads * headSize)
  for i in 0..<queries {
    for head in 0..<heads {
      let kvHead = head * kvHeads / heads
      let scores = (0..<visible(i)).map { j in
        (0..<headSize).map { Double(q(i, head, $0)) * Double(k(j, kvHead, $0)) }.reduce(0, +) / Double(headSize).squareRoot()
      }
      let most = scores.max() ?? 0
      let weights = scores.map { exp($0 - most) }
      let total = weights.reduce(0, +)
      for d in 0..<headSize {
        y[(i * heads + head) * headSize + d] = weights.enumerated().map { $1 * Double(v($0, kvHead, d)) }.reduce(0, +) / total
      }
    }
  }
  return y
}

@Suite struct AttentionTests {
  @Test(arguments: [(1, 1, 1, 4), (1, 7, 3, 5), (2, 33, 2, 64), (3, 65, 4, 16), (1, 130, 2, 80)])
  func everyQuerySeesItsWholeSlice(batch: Int, n: Int, heads: Int, headSize: Int) throws {
    var random = SeededGenerator(20)
    let size = heads * headSize
    let qkv = random.floats(batch * n * 3 * size, -2...2)
    let y = try onAnyThreads { ctx in
      try attention(qkv: try ctx.tensor(qkv, rows: batch * n), batch: batch, heads: heads, headSize: headSize, ctx)
    }
    var expected: [Double] = []
    for slice in 0..<batch {
      func value(_ part: Int) -> (Int, Int, Int) -> Float {
        { i, head, d in qkv[(slice * n + i) * 3 * size + part * size + head * headSize + d] }
      }
      expected += expectedAttention(
        queries: n, heads: heads, kvHeads: heads, headSize: headSize, visible: { _ in n }, q: value(0), k: value(1), v: value(2))
    }
    #expect(largestError(y, expected) < 5e-6)
    // Heads apart are the same numbers in other places.
    let apart = try onAnyThreads { ctx in try attention(qkv: ctx.heads(qkv, rows: batch * n, headSize: headSize), batch: batch, ctx) }
    #expect(apart == y)
  }

  @Test(arguments: [(1, 1, 1, 1, 8), (1, 9, 40, 2, 16), (3, 4, 70, 3, 7)])
  func crossAttentionTakesKeysApartOrTogether(batch: Int, n: Int, m: Int, heads: Int, headSize: Int) throws {
    var random = SeededGenerator(21)
    let size = heads * headSize
    let (q, k, v) = (random.floats(batch * n * size), random.floats(batch * m * size), random.floats(batch * m * size))
    let apart = try onAnyThreads { ctx in
      try crossAttention(
        query: try ctx.tensor(q, rows: batch * n), key: try ctx.tensor(k, rows: batch * m), value: try ctx.tensor(v, rows: batch * m),
        batch: batch, heads: heads, ctx)
    }
    var kv: [Float] = []
    for row in 0..<batch * m {
      let range = row * size..<(row + 1) * size
      kv += Array(k[range])
      kv += Array(v[range])
    }
    let together = try onAnyThreads { ctx in
      try crossAttention(query: try ctx.tensor(q, rows: batch * n), keyValue: try ctx.tensor(kv, rows: batch * m), batch: batch, heads: heads, ctx)
    }
    #expect(apart.map(\.bitPattern) == together.map(\.bitPattern))
    var expected: [Double] = []
    for slice in 0..<batch {
      expected += expectedAttention(
        queries: n, heads: heads, kvHeads: heads, headSize: headSize, visible: { _ in m },
        q: { q[(slice * n + $0) * size + $1 * headSize + $2] }, k: { k[(slice * m + $0) * size + $1 * headSize + $2] },
        v: { v[(slice * m + $0) * size + $1 * headSize + $2] })
    }
    #expect(largestError(apart, expected) < 5e-6)
  }

  @Test func sizesThatDoNotFitAreErrors() throws {
    let ctx = context()
    let x = try ctx.arena.tensor(10, 24)
    let short = try ctx.arena.tensor(9, 24)
    #expect(throws: RuntimeError.self) { try attention(qkv: x, batch: 1, heads: 2, headSize: 5, ctx) }
    #expect(throws: RuntimeError.self) { try attention(qkv: x, batch: 3, heads: 2, headSize: 4, ctx) }
    #expect(throws: RuntimeError.self) { try attention(qkv: x, batch: 0, heads: 2, headSize: 4, ctx) }
    for (heads, headSize, batch) in [(2, 4, 1), (3, 300, 1), (3, 4, 0), (3, 4, 4)] {
      let y = try HeadRows(heads: heads, rows: 5, headSize: headSize, ctx)
      #expect(throws: RuntimeError.self) { try attention(qkv: y, batch: batch, ctx) }
    }
    #expect(throws: RuntimeError.self) { try crossAttention(query: x, key: x, value: short, batch: 1, heads: 2, ctx) }
    #expect(throws: RuntimeError.self) { try crossAttention(query: x, key: x, value: x, batch: 1, heads: 5, ctx) }
    #expect(throws: RuntimeError.self) { try crossAttention(query: x, keyValue: x, batch: 1, heads: 2, ctx) }
    let wide = try ctx.arena.tensor(2, 3 * 300)
    #expect(throws: RuntimeError.self) { try attention(qkv: wide, batch: 1, heads: 1, headSize: 300, ctx) }
  }
}

@Suite struct KVCacheTests {
  /// One layer's pass: q | k | v rows of new tokens go in, attention comes out.
  private func pass(
    _ qkv: [Float], tokens: Int, heads: Int, kvHeads: Int, headSize: Int, layer: Int = 0, _ cache: KVCache, _ ctx: Context
  ) throws -> Tensor {
    let x = try ctx.tensor(qkv, rows: tokens)
    try cache.append(
      layer: layer, key: x.data + heads * headSize, value: x.data + (heads + kvHeads) * headSize, tokens: tokens, stride: x.columns, ctx)
    return try causalAttention(query: x.data, queryStride: x.columns, parts: [SequencePart(cache, rows: 0..<tokens)], layer: layer, heads: heads, ctx)
  }

  @Test(arguments: [
    (4, 4, 16, CacheType.float32), (6, 2, 9, .float32), (8, 1, 64, .float16), (2, 2, 128, .float16), (4, 2, 64, .int8), (6, 3, 9, .int8),
  ])
  func positionsInPiecesGiveWhatAllAtOnceGives(heads: Int, kvHeads: Int, headSize: Int, type: CacheType) throws {
    var random = SeededGenerator(22)
    let columns = (heads + 2 * kvHeads) * headSize
    let n = 75
    let qkv = random.floats(n * columns)
    let whole = try onAnyThreads { ctx in
      let cache = try KVCache(layers: 2, kvHeads: kvHeads, headSize: headSize, capacity: 80, type: type)
      return try pass(qkv, tokens: n, heads: heads, kvHeads: kvHeads, headSize: headSize, layer: 1, cache, ctx)
    }
    let cache = try KVCache(layers: 1, kvHeads: kvHeads, headSize: headSize, capacity: n, type: type)
    let ctx = context()
    var pieces: [Float] = []
    for piece in [0..<40, 40..<41, 41..<42, 42..<75] {
      let part = Array(qkv[piece.lowerBound * columns..<piece.upperBound * columns])
      pieces += try pass(part, tokens: piece.count, heads: heads, kvHeads: kvHeads, headSize: headSize, cache, ctx).values
    }
    #expect(cache.length == n)
    #expect(pieces.map(\.bitPattern) == whole.map(\.bitPattern))

    // int8 keeps 1/254 of a row's largest value.
    func stored(_ x: Float) -> Float { type == .float16 ? Float(Float16(x)) : x }
    let expected = expectedAttention(
      queries: n, heads: heads, kvHeads: kvHeads, headSize: headSize, visible: { $0 + 1 },
      q: { qkv[$0 * columns + $1 * headSize + $2] }, k: { stored(qkv[$0 * columns + (heads + $1) * headSize + $2]) },
      v: { stored(qkv[$0 * columns + (heads + kvHeads + $1) * headSize + $2]) })
    #expect(largestError(whole, expected) < (type == .int8 ? 2e-2 : 5e-6))
  }

  @Test("a new position gets what it gets in one pass, however heads fall to threads", arguments: [(12, 3, 32), (7, 1, 48), (6, 2, 9), (5, 5, 16)])
  func oneMorePositionGivesWhatAllAtOnceGives(heads: Int, kvHeads: Int, headSize: Int) throws {
    var random = SeededGenerator(24)
    let (n, columns) = (150, (heads + 2 * kvHeads) * headSize)
    let qkv = random.floats(n * columns)
    func cache() throws -> KVCache { try KVCache(layers: 1, kvHeads: kvHeads, headSize: headSize, capacity: n, type: .float16) }
    let whole = try pass(qkv, tokens: n, heads: heads, kvHeads: kvHeads, headSize: headSize, cache(), context()).values
    let last = try onAnyThreads { ctx in
      let cache = try cache()
      _ = try pass(Array(qkv.dropLast(columns)), tokens: n - 1, heads: heads, kvHeads: kvHeads, headSize: headSize, cache, ctx)
      return try pass(Array(qkv.suffix(columns)), tokens: 1, heads: heads, kvHeads: kvHeads, headSize: headSize, cache, ctx)
    }
    #expect(last.map(\.bitPattern) == whole.suffix(heads * headSize).map(\.bitPattern))
  }

  @Test func int8TakesHalfTheMemoryOfHalfPrecision() throws {
    let int8 = try KVCache(layers: 2, kvHeads: 3, headSize: 128, capacity: 50, type: .int8)
    let half = try KVCache(layers: 2, kvHeads: 3, headSize: 128, capacity: 50, type: .float16)
    #expect(int8.byteCount == half.byteCount / 256 * 132)
  }

  @Test func truncatingForgetsAndOtherTokensTakeThePlace() throws {
    var random = SeededGenerator(23)
    let ctx = context()
    let (first, second) = (random.floats(10 * 24), random.floats(4 * 24))
    let cache = try KVCache(layers: 1, kvHeads: 2, headSize: 4, capacity: 16, type: .float32)
    _ = try pass(first, tokens: 10, heads: 2, kvHeads: 2, headSize: 4, cache, ctx)
    cache.truncate(to: 6)
    #expect(cache.length == 6)
    let y = try pass(second, tokens: 4, heads: 2, kvHeads: 2, headSize: 4, cache, ctx).values
    let fresh = try KVCache(layers: 1, kvHeads: 2, headSize: 4, capacity: 16, type: .float32)
    let all = try pass(Array(first[..<(6 * 24)]) + second, tokens: 10, heads: 2, kvHeads: 2, headSize: 4, fresh, ctx).values
    #expect(y == Array(all[(6 * 8)...]))
    cache.truncate(to: 100)
    #expect(cache.length == 10)
    cache.truncate(to: -1)
    #expect(cache.length == 0)
  }

  @Test func lengthIsWhatEveryLayerHas() throws {
    let ctx = context()
    let cache = try KVCache(layers: 3, kvHeads: 1, headSize: 2, capacity: 8, type: .float16)
    let x: [Float] = [1, 2, 3, 4, 5, 6]
    for layer in 0..<3 {
      #expect(cache.length == 0)
      try cache.append(layer: layer, key: x, value: x, tokens: 3, stride: 2, ctx)
    }
    #expect(cache.length == 3)
    // A pass that was broken off after its first layer.
    try cache.append(layer: 0, key: x, value: x, tokens: 2, stride: 2, ctx)
    #expect(cache.filled(layer: 0) == 5)
    cache.truncate(to: cache.length)
    #expect((0..<3).allSatisfy { cache.filled(layer: $0) == 3 })
    #expect(cache.usedBytes == 3 * 3 * 2 * 2 * 2)
    #expect(cache.byteCount == 3 * 8 * 2 * 2 * 2)
  }

  @Test func moreThanTheCapacityIsAnErrorAndChangesNothing() throws {
    let ctx = context()
    let cache = try KVCache(layers: 1, kvHeads: 1, headSize: 2, capacity: 4, type: .float32)
    let x = [Float](repeating: 1, count: 20)
    try cache.append(layer: 0, key: x, value: x, tokens: 3, stride: 2, ctx)
    let error = #expect(throws: RuntimeError.self) { try cache.append(layer: 0, key: x, value: x, tokens: 2, stride: 2, ctx) }
    guard case .contextFull(4) = error else { throw try #require(error) }
    #expect(cache.length == 3)
    #expect(throws: RuntimeError.self) { try cache.append(layer: 1, key: x, value: x, tokens: 1, stride: 2, ctx) }
    #expect(throws: RuntimeError.self) {
      try causalAttention(query: x, queryStride: 2, parts: [SequencePart(cache, rows: 0..<4)], layer: 0, heads: 1, ctx)
    }
  }

  @Test(arguments: [
    (0, 1, 1, 1), (1, 0, 1, 1), (1, 1, 0, 1), (1, 1, 257, 1), (1, 1, 1, 0), (1, 1, 1, -1), (.max, 2, 64, 4096), (1 << 20, 1 << 20, 64, 4096),
  ])
  func sizesThatCannotBeAreErrors(layers: Int, kvHeads: Int, headSize: Int, capacity: Int) {
    #expect(throws: RuntimeError.self) {
      try KVCache(layers: layers, kvHeads: kvHeads, headSize: headSize, capacity: capacity, type: .float16)
    }
  }

  @Test func memoryIsTakenAsPositionsCome() throws {
    // 64 GiB reserved each, 2500 times: more than a process has, if any stayed; and no machine has it to touch.
    let ctx = context(threads: 1)
    let x = [Float](repeating: 1, count: 64)
    for _ in 0..<2500 {
      let cache = try KVCache(layers: 2, kvHeads: 1, headSize: 64, capacity: 1 << 27, type: .float32)
      try cache.append(layer: 1, key: x, value: x, tokens: 1, stride: 64, ctx)
      #expect(cache.filled(layer: 1) == 1)
    }
  }
}
