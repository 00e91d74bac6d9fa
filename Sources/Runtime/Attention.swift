// SPDX-License-Identifier: Apache-2.0
import Kernels
import Shims

/// Queries per call: equal parts, multiples of the kernel's 6, and smaller ones where few heads would leave threads idle.
/// - Parameter largest: queries that one call takes at most.
private func queryStep(_ queries: Int, largest: Int, heads: Int, threads: Int) -> Int {
  let perHead = (4 &* threads - 1) / max(heads, 1) + 1  // parts of a head that give each thread about four items
  let parts = max((queries - 1) / largest + 1, min(perHead, (queries - 1) / 32 + 1))
  return ((queries - 1) / parts + 6) / 6 &* 6
}

/// Full self-attention: softmax(q·kᵀ / √headSize)·v, every query with every key of its slice, for `batch` equal slices.
/// - Parameter qkv: `[batch·n, 3·heads·headSize]`, a row is q | k | v.
/// - Returns: `[batch·n, heads·headSize]`.
package func attention(qkv: Tensor, batch: Int, heads: Int, headSize: Int, _ ctx: Context) throws(RuntimeError) -> Tensor {
  let size = heads &* headSize
  guard qkv.columns == 3 &* size else { throw .shape(operation: "attention qkv", expected: 3 &* size, found: qkv.columns) }
  let q = Slices(qkv.data, stride: qkv.columns, rows: qkv.rows)
  let k = Slices(qkv.data + size, stride: qkv.columns, rows: qkv.rows)
  let v = Slices(qkv.data + 2 &* size, stride: qkv.columns, rows: qkv.rows)
  return try attention(q, k, v, batch: batch, heads: heads, headSize: headSize, ctx)
}

/// The same for a product split into heads.
/// - Parameter qkv: heads of q, of k, of v; `batch·n` rows.
package func attention(qkv: HeadRows, batch: Int, _ ctx: Context) throws(RuntimeError) -> Tensor {
  guard qkv.heads > 0, qkv.heads % 3 == 0 else { throw .shape(operation: "attention heads", expected: 3, found: qkv.heads) }
  guard qkv.headSize > 0, qkv.headSize <= largestHeadSize else {
    throw .shape(operation: "attention head size", expected: largestHeadSize, found: qkv.headSize)
  }
  guard batch > 0, qkv.rows % batch == 0 else { throw .shape(operation: "attention batch", expected: batch, found: qkv.rows) }
  let heads = qkv.heads / 3
  let y = try ctx.arena.tensor(qkv.rows, heads &* qkv.headSize)
  let slices = (0..<batch &* heads).map { qkv.arguments(slice: $0 / heads, of: batch, head: $0 % heads, to: y, column: $0 % heads &* qkv.headSize) }
  let queries = qkv.rows / batch
  let arithmetic = AttentionArithmetic(allowsIntegers: ctx.integerAttention, headSize: qkv.headSize, queries: queries)
  run(slices, queries: queries, heads: 1, arithmetic, ctx)
  return y
}

extension HeadRows {
  /// Arguments of full attention for one head of one slice of q | k | v; its output is written to y from `column` on.
  func arguments(slice: Int, of batch: Int, head: Int, to y: Tensor, column: Int) -> AttentionArguments {
    let n = rows / batch
    let (first, part) = (slice &* n &* headSize, heads / 3)
    var a = AttentionArguments()
    a.query = UnsafePointer(self[head] + first)
    a.queryStride = headSize
    a.key = UnsafeRawPointer(self[part &+ head] + first)
    a.value = UnsafeRawPointer(self[2 &* part &+ head] + first)
    a.tokenStride = headSize
    a.heads = 1
    a.kvHeads = 1
    a.headSize = Int64(headSize)
    a.queries = Int64(n)
    a.keys = Int64(n)
    a.causalStart = -1
    a.scale = 1 / Float(headSize).squareRoot()
    a.output = y[slice &* n] + column
    a.outputStride = y.columns
    return a
  }
}

/// Cross-attention: every query with every key of its slice.
/// - Parameters:
///   - query: `[batch·n, size]`, size = heads·headSize.
///   - key, value: `[batch·m, size]`.
/// - Returns: `[batch·n, size]`.
package func crossAttention(query: Tensor, key: Tensor, value: Tensor, batch: Int, heads: Int, _ ctx: Context) throws(RuntimeError) -> Tensor {
  guard key.columns == query.columns else { throw .shape(operation: "attention key", expected: query.columns, found: key.columns) }
  guard value.columns == query.columns else { throw .shape(operation: "attention value", expected: query.columns, found: value.columns) }
  guard value.rows == key.rows else { throw .shape(operation: "attention value rows", expected: key.rows, found: value.rows) }
  let headSize = try headSize(of: query.columns, heads)
  return try attention(
    Slices(query.data, stride: query.columns, rows: query.rows), Slices(key.data, stride: key.columns, rows: key.rows),
    Slices(value.data, stride: value.columns, rows: value.rows), batch: batch, heads: heads, headSize: headSize, ctx)
}

/// The same with keys and values from one product.
/// - Parameter keyValue: `[batch·m, 2·size]`, a row is k | v.
package func crossAttention(query: Tensor, keyValue: Tensor, batch: Int, heads: Int, _ ctx: Context) throws(RuntimeError) -> Tensor {
  let size = query.columns
  guard keyValue.columns == 2 &* size else { throw .shape(operation: "attention key|value", expected: 2 &* size, found: keyValue.columns) }
  let headSize = try headSize(of: size, heads)
  return try attention(
    Slices(query.data, stride: size, rows: query.rows), Slices(keyValue.data, stride: 2 &* size, rows: keyValue.rows),
    Slices(keyValue.data + size, stride: 2 &* size, rows: keyValue.rows), batch: batch, heads: heads, headSize: headSize, ctx)
}

/// Causal attention of sequences' newest positions over one layer of their KV caches: each position sees its own sequence up to itself.
/// - Parameters:
///   - query: row i, head h at `query + i·queryStride + h·headSize`; `heads` is a multiple of the caches' kvHeads.
///   - parts: the sequences, one or more, whose caches have the same form.
///   - scale: of the scores; nil: 1 / √headSize.
/// - Returns: `[rows of all parts, heads·valueSize]`.
package func causalAttention(
  query: UnsafePointer<Float>, queryStride: Int, parts: [SequencePart], layer: Int, heads: Int, scale: Float? = nil, _ ctx: Context
) throws(RuntimeError) -> Tensor {
  guard let cache = parts.first?.cache, let last = parts.last else { throw .shape(operation: "attention sequences", expected: 1, found: 0) }
  let scale = scale ?? 1 / Float(cache.headSize).squareRoot()
  let rows = last.rows.upperBound
  let y = try ctx.arena.tensor(rows, heads &* cache.valueSize)
  guard cache.headSize != cache.valueSize else {
    try attention(query, queryStride: queryStride, parts, layer: layer, heads: heads, scale: scale, into: y, ctx)
    return y
  }
  // The kernels take one head size: queries are padded with zeros where values are wider, outputs are cut where keys are wider.
  let (narrow, wide) = (cache.headSize, cache.widestHead)
  let mark = ctx.arena.mark()
  defer { ctx.arena.release(to: mark) }
  let padded = try ctx.arena.tensor(rows, heads &* wide)
  ctx.split(rows: rows, cost: padded.columns) { rows in
    for row in rows {
      for head in 0..<heads {
        let target = padded[row] + head &* wide
        target.update(from: query + (row &* queryStride &+ head &* narrow), count: narrow)
        (target + narrow).update(repeating: 0, count: wide &- narrow)
      }
    }
  }
  let seen = try ctx.arena.tensor(rows, heads &* wide)
  try attention(
    UnsafePointer(padded.data), queryStride: padded.columns, parts, layer: layer, heads: heads, scale: scale, into: seen, ctx)
  ctx.split(rows: rows, cost: y.columns) { rows in
    for row in rows {
      for head in 0..<heads {
        (y[row] + head &* cache.valueSize).update(from: seen[row] + head &* wide, count: cache.valueSize)
      }
    }
  }
  return y
}

/// The same for heads of `widestHead`: `y` is `[rows, heads·widestHead]`.
private func attention(
  _ query: UnsafePointer<Float>, queryStride: Int, _ parts: [SequencePart], layer: Int, heads: Int, scale: Float, into y: Tensor,
  _ ctx: Context
) throws(RuntimeError) {
  // Single queries, one for each sequence that is decoding, share one parallel loop.
  var single: [AttentionArguments] = []
  for part in parts {
    let cache = part.cache
    guard layer >= 0, layer < cache.layers else { throw .shape(operation: "attention layer", expected: cache.layers, found: layer) }
    guard heads > 0, heads % cache.kvHeads == 0 else { throw .shape(operation: "attention heads", expected: cache.kvHeads, found: heads) }
    let keys = cache.filled(layer: layer)
    guard part.rows.count <= keys else { throw .shape(operation: "attention queries", expected: keys, found: part.rows.count) }
    let first = part.rows.lowerBound
    let a = AttentionArguments(
      query: query + first &* queryStride, stride: queryStride, queries: part.rows.count, cache, layer, heads: heads, scale: scale,
      output: y[first], stride: y.columns)
    if part.rows.count == 1 { single.append(a) } else { run([a], queries: part.rows.count, heads: heads, .float, ctx) }
  }
  attendAlone(single, ctx)
}

/// Attention of single queries that see all keys. The query heads of one key head are queries of one call, which unpacks keys and values once; where
/// key heads do not come out even over the threads, the last ones' calls are divided. Same sums.
private func attendAlone(_ single: [AttentionArguments], _ ctx: Context) {
  guard let first = single.first else { return }
  let (keyHeads, sharing, threads) = (Int(first.kvHeads), Int(first.heads / first.kvHeads), ctx.pool.threads)
  let calls = keyHeads &* single.count
  let divided = calls % threads
  let queries = max((sharing &* divided - 1) / threads + 1, 1)  // of a divided call
  var parts: [AttentionArguments] = []
  for (i, a) in single.enumerated() {
    for keyHead in 0..<keyHeads {
      let step = i &* keyHeads &+ keyHead < calls - divided ? sharing : queries
      for start in stride(from: 0, to: sharing, by: step) {
        parts.append(a.part(keyHead: keyHead, heads: start..<min(start + step, sharing)))
      }
    }
  }
  let kernel = ctx.kernels.attention
  parts.withUnsafeBufferPointer { parts in
    guard let base = parts.baseAddress else { return }
    ctx.pool.run(parts.count) { i in kernel(base + i, 0, 0, Int(base[i].queries)) }
  }
}

extension AttentionArguments {
  /// Arguments for the newest `queries` positions of a cache.
  fileprivate init(
    query: UnsafePointer<Float>, stride: Int, queries: Int, _ cache: KVCache, _ layer: Int, heads: Int, scale: Float,
    output: UnsafeMutablePointer<Float>, stride outputStride: Int
  ) {
    self.init()
    let keys = cache.filled(layer: layer)
    self.query = query
    queryStride = stride
    key = UnsafeRawPointer(cache.keys(layer: layer))
    value = UnsafeRawPointer(cache.values(layer: layer))
    tokenStride = cache.rowSize
    headStride = cache.capacity &* cache.rowSize
    switch cache.type {
    case .float32: rows = FOVEA_ROWS_F32
    case .float16: rows = FOVEA_ROWS_F16
    case .int8:
      rows = FOVEA_ROWS_INT8
      keyScale = UnsafePointer(cache.scales(behind: cache.keys(layer: layer)))
      valueScale = UnsafePointer(cache.scales(behind: cache.values(layer: layer)))
      scaleStride = cache.capacity
    }
    self.heads = Int64(heads)
    kvHeads = Int64(cache.kvHeads)
    headSize = Int64(cache.widestHead)
    self.queries = Int64(queries)
    self.keys = Int64(keys)
    causalStart = Int64(keys - queries)
    self.scale = scale
    self.output = output
    self.outputStride = outputStride
  }
}

extension AttentionArguments {
  /// For a single query that sees all keys: query heads `heads`, numbered from the first that reads key head `keyHead`, as queries of one head.
  fileprivate func part(keyHead: Int, heads range: Range<Int>) -> AttentionArguments {
    var a = self
    let size = Int(headSize)
    let head = keyHead &* Int(heads / kvHeads) &+ range.lowerBound
    let keyBytes = keyHead &* headStride &* (rows == FOVEA_ROWS_F32 ? 4 : rows == FOVEA_ROWS_F16 ? 2 : 1)
    a.query = query.map { $0 + head &* size }
    a.queryStride = size
    a.key = key.map { $0 + keyBytes }
    a.value = value.map { $0 + keyBytes }
    a.keyScale = keyScale.map { $0 + keyHead &* scaleStride }
    a.valueScale = valueScale.map { $0 + keyHead &* scaleStride }
    a.output = output.map { $0 + head &* size }
    a.outputStride = size
    (a.heads, a.kvHeads, a.queries, a.causalStart) = (1, 1, Int64(range.count), -1)
    return a
  }
}

/// Rows of a matrix, possibly some columns of a wider one.
private struct Slices {
  let data: UnsafeMutablePointer<Float>
  let stride, rows: Int

  init(_ data: UnsafeMutablePointer<Float>, stride: Int, rows: Int) {
    self.data = data
    self.stride = stride
    self.rows = rows
  }
}

private func headSize(of size: Int, _ heads: Int) throws(RuntimeError) -> Int {
  guard heads > 0, size % heads == 0 else { throw .shape(operation: "attention heads", expected: size, found: heads) }
  return size / heads
}

private func attention(
  _ q: Slices, _ k: Slices, _ v: Slices, batch: Int, heads: Int, headSize: Int, _ ctx: Context
) throws(RuntimeError) -> Tensor {
  guard heads > 0, headSize > 0, headSize <= largestHeadSize else {
    throw .shape(operation: "attention head size", expected: largestHeadSize, found: headSize)
  }
  guard batch > 0, q.rows % batch == 0 else { throw .shape(operation: "attention batch of queries", expected: batch, found: q.rows) }
  guard k.rows % batch == 0 else { throw .shape(operation: "attention batch of keys", expected: batch, found: k.rows) }
  let (queries, keys) = (q.rows / batch, k.rows / batch)
  let y = try ctx.arena.tensor(q.rows, heads &* headSize)
  let slices = (0..<batch).map { slice in
    var a = AttentionArguments()
    a.query = UnsafePointer(q.data + slice &* queries &* q.stride)
    a.queryStride = q.stride
    a.key = UnsafeRawPointer(k.data + slice &* keys &* k.stride)
    a.value = UnsafeRawPointer(v.data + slice &* keys &* v.stride)
    a.tokenStride = k.stride
    a.headStride = headSize
    a.heads = Int64(heads)
    a.kvHeads = Int64(heads)
    a.headSize = Int64(headSize)
    a.queries = Int64(queries)
    a.keys = Int64(keys)
    a.causalStart = -1
    a.scale = 1 / Float(headSize).squareRoot()
    a.output = y[slice &* queries]
    a.outputStride = y.columns
    return a
  }
  let arithmetic = AttentionArithmetic(allowsIntegers: ctx.integerAttention, headSize: headSize, queries: queries)
  run(slices, queries: queries, heads: heads, arithmetic, ctx)
  return y
}

/// One item per slice, head and tile of queries. The last queries of a causal slice see most keys, so they go first.
func run(_ slices: [AttentionArguments], queries: Int, heads: Int, _ arithmetic: AttentionArithmetic, _ ctx: Context) {
  guard queries > 0 else { return }
  var slices = slices
  for i in slices.indices { slices[i].arithmetic = arithmetic.code }
  let kernel = ctx.kernels.attention
  let step = queryStep(queries, largest: arithmetic.largestStep, heads: slices.count &* heads, threads: ctx.pool.threads)
  let tiles = (queries - 1) / step + 1
  slices.withUnsafeBufferPointer { slices in
    guard let base = slices.baseAddress else { return }
    ctx.pool.run(slices.count &* heads &* tiles) { i in
      // Tiles of one head follow each other: its keys and values stay in cache.
      let (slice, head, tile) = (i / (heads &* tiles), i / tiles % heads, tiles - 1 - i % tiles)
      kernel(base + slice, head, tile &* step, min((tile + 1) &* step, queries))
    }
  }
}
