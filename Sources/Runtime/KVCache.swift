// SPDX-License-Identifier: Apache-2.0
import Kernels
import Shims

/// Keys and values of the positions seen so far, `[layer][kvHead][capacity][headSize]` each, f16 or f32.
///
/// The memory is reserved at once and taken page by page as positions come. Positions are appended layer by layer; when a pass was
/// broken off between layers, `truncate(to: length)` brings the layers level again. One thread at a time.
package final class KVCache: @unchecked Sendable {
  package let layers, kvHeads, headSize, capacity: Int
  package let isHalf: Bool
  /// Which of the decoder's position tables the keys were turned with; the decoder's own, kept with what it applies to.
  package var variant = 0
  /// Bytes reserved, for all of `capacity`.
  package let byteCount: Int

  private let memory: PageBlock
  private var fill: [Int]

  package init(layers: Int, kvHeads: Int, headSize: Int, capacity: Int, isHalf: Bool) throws(RuntimeError) {
    guard layers > 0 else { throw .shape(operation: "cache layers", expected: 1, found: layers) }
    guard kvHeads > 0 else { throw .shape(operation: "cache heads", expected: 1, found: kvHeads) }
    guard headSize > 0, headSize <= 256 else { throw .shape(operation: "cache head size", expected: 256, found: headSize) }
    guard capacity > 0 else { throw .shape(operation: "cache capacity", expected: 1, found: capacity) }
    var bytes = isHalf ? 2 : 4
    for factor in [2, layers, kvHeads, headSize, capacity] {
      let (product, overflow) = bytes.multipliedReportingOverflow(by: factor)
      guard !overflow else { throw .outOfMemory(bytes: .max) }
      bytes = product
    }
    memory = try PageBlock(bytes, .sparse)
    byteCount = bytes
    self.layers = layers
    self.kvHeads = kvHeads
    self.headSize = headSize
    self.capacity = capacity
    self.isHalf = isHalf
    fill = Array(repeating: 0, count: layers)
  }

  /// Positions that every layer has.
  package var length: Int { fill.min() ?? 0 }

  /// Positions that layer `layer` has.
  package func filled(layer: Int) -> Int { layer >= 0 && layer < layers ? fill[layer] : 0 }

  /// Bytes that `length` positions take.
  package var usedBytes: Int { byteCount / capacity &* length }

  private var elementSize: Int { isHalf ? 2 : 4 }
  private var layerBytes: Int { kvHeads &* capacity &* headSize &* elementSize }

  /// Keys of a layer, `[kvHead][capacity][headSize]`.
  func keys(layer: Int) -> UnsafeMutableRawPointer { memory.base + 2 &* layer &* layerBytes }
  func values(layer: Int) -> UnsafeMutableRawPointer { memory.base + (2 &* layer &+ 1) &* layerBytes }

  /// Writes the keys and values of the next `tokens` positions of a layer.
  /// - Parameters:
  ///   - key, value: token i, head g at `base + i·stride + g·headSize`.
  /// - Throws: `contextFull` when they do not fit; nothing is written then.
  package func append(
    layer: Int, key: UnsafePointer<Float>, value: UnsafePointer<Float>, tokens: Int, stride: Int, _ ctx: Context
  ) throws(RuntimeError) {
    guard layer >= 0, layer < layers else { throw .shape(operation: "cache layer", expected: layers, found: layer) }
    guard tokens >= 0, tokens <= capacity - fill[layer] else { throw .contextFull(capacity: capacity) }
    let start = fill[layer]
    let (keys, values) = (keys(layer: layer), values(layer: layer))
    ctx.split(rows: tokens, cost: 2 &* kvHeads &* headSize) { rows in
      for head in 0..<kvHeads {
        for row in rows {
          let from = row &* stride &+ head &* headSize
          let to = (head &* capacity &+ start &+ row) &* headSize
          write(key + from, to: keys, at: to, ctx.kernels)
          write(value + from, to: values, at: to, ctx.kernels)
        }
      }
    }
    fill[layer] = start + tokens
  }

  private func write(_ x: UnsafePointer<Float>, to base: UnsafeMutableRawPointer, at index: Int, _ kernels: KernelTable) {
    if isHalf {
      kernels.floatToHalf(x, base.assumingMemoryBound(to: UInt16.self) + index, headSize)
    } else {
      (base.assumingMemoryBound(to: Float.self) + index).update(from: x, count: headSize)
    }
  }

  /// Forgets the positions from `length` on. Larger than what is there: no change.
  package func truncate(to length: Int) {
    for layer in 0..<layers { fill[layer] = min(fill[layer], max(length, 0)) }
    if length <= 0 { pages_forget(memory.base, memory.byteCount) }
  }
}
