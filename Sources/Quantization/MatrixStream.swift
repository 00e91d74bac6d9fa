// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Runtime
import WeightFile

/// Reads the rows of a planned matrix, packs them, and passes the blocks on in order.
package struct MatrixStream {
  let tensor: PlannedTensor
  let source: any TensorSource
  let layout: PackedLayout
  let pool: ThreadPool
  /// Whether its inputs were measured.
  package let isWeighted: Bool
  private let packer: BlockPacker
  /// The whole matrix `[outputs, inputs]`, where its rows are not the checkpoint's: transposed, or resized positions.
  private let turned: [Float]?

  /// - Parameter importance: of each input, see `BlockPacker`.
  package init(tensor: PlannedTensor, source: any TensorSource, layout: PackedLayout, importance: InputImportance?, pool: ThreadPool) throws {
    self.tensor = tensor
    isWeighted = importance != nil
    packer = BlockPacker(layout: layout, importance: importance)
    self.source = source
    self.layout = layout
    self.pool = pool
    guard tensor.order == .transposed || tensor.order == .relativePositions, let part = tensor.sources.first else {
      turned = nil
      return
    }
    if tensor.order == .relativePositions {
      turned = RelativePositionTable.byKey(try source.read(part), size: layout.inputs, length: layout.outputs)
      return
    }
    let values = try source.read(part)
    let (outputs, inputs) = (layout.outputs, layout.inputs)
    turned = [Float](unsafeUninitializedCapacity: values.count) { out, count in
      // In tiles of 32 × 32, so that source and target stay in the cache.
      for row in stride(from: 0, to: outputs, by: 32) {
        for column in stride(from: 0, to: inputs, by: 32) {
          for o in row..<min(row + 32, outputs) {
            for i in column..<min(column + 32, inputs) { out[o * inputs + i] = values[i * outputs + o] }
          }
        }
      }
      count = values.count
    }
  }

  /// The blocks packed at once; each thread writes its own.
  private final class Slab: @unchecked Sendable {
    let bytes: UnsafeMutableRawBufferPointer
    let results: UnsafeMutableBufferPointer<Result<PackingError, any Error>>

    init(blocks: Int, stride: Int) {
      bytes = .allocate(byteCount: blocks * stride, alignment: 64)
      results = .allocate(capacity: blocks)
      results.initialize(repeating: .success(PackingError()))
    }

    deinit {
      bytes.deallocate()
      results.deinitialize()
      results.deallocate()
    }
  }

  /// - Parameter consume: gets the bytes of some blocks and the number of weights in them.
  package func run(_ consume: (_ bytes: UnsafeRawBufferPointer, _ elements: Int) throws -> Void) throws -> PackingError {
    var total = PackingError()
    let blocksAtOnce = max(1, min(layout.blocks, (4 << 20) / layout.blockStride))
    let slab = Slab(blocks: blocksAtOnce, stride: layout.blockStride)
    defer { withExtendedLifetime(slab) {} }  // its pointers are used below
    var first = 0
    while first < layout.blocks {
      let count = min(blocksAtOnce, layout.blocks - first)
      let start = first
      pool.run(count) { index in
        slab.results[index] = Result { try pack(block: start + index, into: slab.bytes, at: index * layout.blockStride) }
      }
      for result in slab.results[..<count] {
        total += try result.get()
      }
      let rows = min(layout.outputs, (first + count) * 16) - first * 16
      try consume(UnsafeRawBufferPointer(rebasing: slab.bytes[..<(count * layout.blockStride)]), rows * layout.inputs)
      first += count
    }
    return total
  }

  private func pack(block: Int, into slab: UnsafeMutableRawBufferPointer, at offset: Int) throws -> PackingError {
    let rows = UnsafeMutablePointer<Float>.allocate(capacity: 16 * layout.inputs)
    defer { rows.deallocate() }
    rows.initialize(repeating: 0, count: 16 * layout.inputs)
    let wanted = block * 16..<min(block * 16 + 16, layout.outputs)
    if let turned {
      for i in 0..<wanted.count * layout.inputs { rows[i] = turned[wanted.lowerBound * layout.inputs + i] }
    } else {
      try tensor.read(rows: wanted, from: source, into: rows)
    }
    if case .transposedRows(let count) = tensor.order { transposeRows(rows, count) }
    var error = PackingError()
    guard let block = slab.baseAddress else { return error }
    if let (row, fault) = packer.pack(rows, into: block + offset, error: &error) {
      throw ConversionError.notRepresentable(
        tensor: tensor.name, row: wanted.lowerBound + row,
        detail: fault == .notFinite ? "not a finite number" : "beyond the range of f16; convert to f32, int8 or int4")
    }
    return error
  }

  /// Each of 16 rows is a matrix `[count, inputs / count]`; makes it `[inputs / count, count]`.
  private func transposeRows(_ rows: UnsafeMutablePointer<Float>, _ count: Int) {
    let across = layout.inputs / count
    for row in 0..<16 {
      let x = rows + row * layout.inputs
      let before = Array(UnsafeBufferPointer(start: x, count: layout.inputs))
      for i in 0..<count {
        for j in 0..<across { x[j * count + i] = before[i * across + j] }
      }
    }
  }
}
