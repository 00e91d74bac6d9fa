// SPDX-License-Identifier: Apache-2.0
import Kernels
import Shims

/// Number format of cached keys and values.
package enum CacheType: Sendable {
  case float32, float16
  /// One quantisation scale for each position and head: about half the memory of f16, errors up to 1/254 of the row's largest value.
  case int8

  /// Bytes that one key or value of a head takes.
  package func rowBytes(headSize: Int) -> Int {
    switch self {
    case .float32: 4 &* headSize
    case .float16: 2 &* headSize
    case .int8: CacheType.padded(headSize) &+ 4
    }
  }

  /// Integers of a row: the quantiser takes 32 at a time.
  static func padded(_ headSize: Int) -> Int { (headSize &+ 31) & ~31 }
}

/// Keys and values of the positions seen so far, `[layer][kvHead][capacity][rowSize]` each.
///
/// Values may be of another size than keys (multi-head latent attention). The kernels take one size, so the smaller is padded with zeros, which add
/// nothing to a product or a sum.
///
/// The memory is reserved at once and taken page by page as positions come; a host's is taken at once. Positions are appended layer by layer; after a pass that stopped between
/// layers `truncate(to: length)` makes all layers equally long again. One thread at a time.
package final class KVCache: @unchecked Sendable {
  /// `headSize`: of a key and of the queries.
  package let layers, kvHeads, headSize, valueSize, capacity: Int
  package let type: CacheType
  /// Number of the decoder's RoPE table that the keys were rotated with; set and read by the decoder.
  package var ropeTable = 0
  /// Bytes reserved, for all of `capacity`.
  package let byteCount: Int

  /// The larger of `headSize` and `valueSize`; and the elements of a row, padding included.
  let widestHead: Int
  package let rowSize: Int
  private let memory: MemoryBlock
  private var fill: [Int]
  /// Counts the bytes of positions that were written since the cache was last emptied; set by the owner.
  package var counter: MemoryCounter?
  private(set) var reached = 0

  /// - Parameters:
  ///   - valueSize: of a value; nil: as a key.
  ///   - host: where the memory comes from; nil: the system.
  package init(
    layers: Int, kvHeads: Int, headSize: Int, valueSize: Int? = nil, capacity: Int, type: CacheType, host: HostMemory? = nil
  ) throws(RuntimeError) {
    let values = valueSize ?? headSize
    guard layers > 0 else { throw .shape(operation: "cache layers", expected: 1, found: layers) }
    guard kvHeads > 0 else { throw .shape(operation: "cache heads", expected: 1, found: kvHeads) }
    guard headSize > 0, headSize <= largestHeadSize else { throw .shape(operation: "cache head size", expected: largestHeadSize, found: headSize) }
    guard values > 0, values <= largestHeadSize else { throw .shape(operation: "cache value size", expected: largestHeadSize, found: values) }
    guard capacity > 0 else { throw .shape(operation: "cache capacity", expected: 1, found: capacity) }
    widestHead = max(headSize, values)
    var bytes = type.rowBytes(headSize: widestHead)
    for factor in [2, layers, kvHeads, capacity] {
      let (product, overflow) = bytes.multipliedReportingOverflow(by: factor)
      guard !overflow else { throw .outOfMemory(bytes: .max) }
      bytes = product
    }
    memory = try MemoryBlock(bytes, .sparse, host: host)
    if !memory.isZeroed, headSize != values { memset(memory.base, 0, bytes) }
    byteCount = bytes
    self.layers = layers
    self.kvHeads = kvHeads
    self.headSize = headSize
    self.valueSize = values
    self.capacity = capacity
    self.type = type
    rowSize = type == .int8 ? CacheType.padded(widestHead) : widestHead
    fill = Array(repeating: 0, count: layers)
  }

  deinit { reach(0) }

  /// Positions that every layer has.
  package var length: Int { fill.min() ?? 0 }

  /// Sets the number of positions of every layer.
  func setLength(_ length: Int) { for layer in 0..<layers { fill[layer] = length } }

  /// Positions that layer `layer` has.
  package func filled(layer: Int) -> Int { layer >= 0 && layer < layers ? fill[layer] : 0 }

  /// Bytes that `length` positions take.
  package var usedBytes: Int { byteCount / capacity &* length }

  private var layerBytes: Int { kvHeads &* capacity &* type.rowBytes(headSize: widestHead) }

  /// Keys of a layer, `[kvHead][capacity][rowSize]`; int8 keys have their scales, `[kvHead][capacity]`, after them.
  func keys(layer: Int) -> UnsafeMutableRawPointer { memory.base + 2 &* layer &* layerBytes }
  func values(layer: Int) -> UnsafeMutableRawPointer { memory.base + (2 &* layer &+ 1) &* layerBytes }

  /// The quantisation scales of int8 rows that begin at `base`.
  func scales(behind base: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Float> {
    (base + kvHeads &* capacity &* rowSize).assumingMemoryBound(to: Float.self)
  }

  /// Writes the keys and values of the next `tokens` positions of a layer.
  /// - Parameters:
  ///   - key: token i, head g at `key + i·stride + g·headSize`.
  ///   - value: token i, head g at `value + i·valueStride + g·valueSize`; `valueStride` nil: as `stride`.
  /// - Throws: `contextFull` when they do not fit; nothing is written then.
  package func append(
    layer: Int, key: UnsafePointer<Float>, value: UnsafePointer<Float>, tokens: Int, stride: Int, valueStride: Int? = nil, _ ctx: Context
  ) throws(RuntimeError) {
    guard layer >= 0, layer < layers else { throw .shape(operation: "cache layer", expected: layers, found: layer) }
    guard tokens >= 0, tokens <= capacity - fill[layer] else { throw .contextFull(capacity: capacity) }
    let start = fill[layer]
    let (keys, values) = (keys(layer: layer), values(layer: layer))
    ctx.split(rows: tokens, cost: 2 &* kvHeads &* headSize) { rows in
      for head in 0..<kvHeads {
        for row in rows {
          let to = head &* capacity &+ start &+ row
          write(key + (row &* stride &+ head &* headSize), headSize, to: keys, at: to, ctx.kernels)
          write(value + (row &* (valueStride ?? stride) &+ head &* valueSize), valueSize, to: values, at: to, ctx.kernels)
        }
      }
    }
    fill[layer] = start + tokens
    if start + tokens > reached { reach(start + tokens) }
  }

  func reach(_ positions: Int) {
    counter?.add(byteCount / capacity &* (positions - reached))
    reached = positions
  }

  /// Writes `count` numbers to the start of row `index`; the padding after them is zero from the beginning.
  private func write(_ x: UnsafePointer<Float>, _ count: Int, to base: UnsafeMutableRawPointer, at index: Int, _ kernels: KernelTable) {
    switch type {
    case .float32:
      (base.assumingMemoryBound(to: Float.self) + index &* rowSize).update(from: x, count: count)
    case .float16:
      kernels.floatToHalf(x, base.assumingMemoryBound(to: UInt16.self) + index &* rowSize, count)
    case .int8:
      var offset: Int32 = 0
      let to = base.assumingMemoryBound(to: Int8.self) + index &* rowSize
      kernels.quantize(x, count, rowSize, rowSize, 0, to, scales(behind: base) + index, &offset)
    }
  }

  /// Forgets the positions from `length` on; 0 also gives the memory back. Larger than what is there: no change.
  package func truncate(to length: Int) {
    for layer in 0..<layers { fill[layer] = min(fill[layer], max(length, 0)) }
    guard length <= 0, reached > 0 else { return }
    memory.forget()
    reach(0)
  }
}
