// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// A scope of tensor names in a `WeightStore`: `weights["layers"]["3"]["norm1"].vector("weight", count: 1024)`.
///
/// Pointers are valid as long as the store lives: keep `store` with them.
package struct Weights {
  package let store: WeightStore
  /// Full name of this scope, without a dot at the end; empty at the root.
  package let prefix: String
  /// Which half of the system reads this scope.
  var part = WeightPart.vision

  /// The scope `prefix.name`. `name` may hold dots itself.
  package subscript(_ name: String) -> Weights { Weights(store: store, prefix: fullName(name), part: part) }
  package subscript(_ index: Int) -> Weights { self["\(index)"] }

  /// The same scope, read by the decoder.
  package var ofDecoder: Weights { Weights(store: store, prefix: prefix, part: .decoder) }

  package func fullName(_ leaf: String) -> String { prefix.isEmpty ? leaf : "\(prefix).\(leaf)" }

  package func has(_ leaf: String) -> Bool { store.find(fullName(leaf)) != nil }

  /// Whether a tensor of this scope that is not in `inner` is quantised.
  package func isQuantized(outside inner: Weights) -> Bool {
    store.file.records.contains { $0.encoding.isQuantized && has($0) && !inner.has($0) }
  }

  private func has(_ record: TensorRecord) -> Bool {
    prefix.isEmpty || record.name.utf8.starts(with: "\(prefix).".utf8)
  }

  /// Shape of a tensor of this scope, nil if there is none.
  package func shape(_ leaf: String) -> [Int]? { store.find(fullName(leaf))?.record.shape }

  /// A plain vector of `count` values (stored as f32 or f16).
  package func vector(_ leaf: String, count: Int) throws(WeightFileError) -> UnsafePointer<Float> {
    try table(leaf, shape: [count])
  }

  /// A plain row-major tensor of this shape (stored as f32 or f16).
  package func table(_ leaf: String, shape: [Int]) throws(WeightFileError) -> UnsafePointer<Float> {
    let name = fullName(leaf)
    guard let (record, data) = store.find(name) else { return try blank(name, shape: shape).assumingMemoryBound(to: Float.self) }
    guard record.shape == shape else { throw .shapeMismatch(file: store.file.name, tensor: name, expected: shape, found: record.shape) }
    guard !record.encoding.isPacked else {
      throw .encodingMismatch(file: store.file.name, tensor: name, expected: "f32 or f16", found: record.encoding)
    }
    store.note(name, nil, part)
    return data.assumingMemoryBound(to: Float.self)
  }

  /// A packed matrix `[outputs, inputs]` for the kernels.
  /// - Parameter use: what it is read for; nil: anything.
  package func matrix(_ leaf: String, outputs: Int, inputs: Int, for use: MatrixUse? = nil) throws(WeightFileError) -> PackedMatrix {
    let name = fullName(leaf)
    guard let (record, data) = store.find(name) else { return try blankMatrix(name, outputs: outputs, inputs: inputs) }
    guard record.shape == [outputs, inputs] else {
      throw .shapeMismatch(file: store.file.name, tensor: name, expected: [outputs, inputs], found: record.shape)
    }
    guard let layout = PackedLayout(encoding: record.encoding, outputs: outputs, inputs: inputs, group: record.group),
      layout.byteCount == record.byteCount
    else {
      throw .encodingMismatch(file: store.file.name, tensor: name, expected: "one in blocks of 16 rows", found: record.encoding)
    }
    store.note(name, use, part)
    return PackedMatrix(store: store, layout: layout, data: data)
  }

  /// The matrices `[outputs, inputs]` of a packed tensor `[count, outputs, inputs]`.
  package func matrices(_ leaf: String, count: Int, outputs: Int, inputs: Int) throws(WeightFileError) -> [PackedMatrix] {
    let name = fullName(leaf)
    guard let (record, data) = store.find(name) else {
      let blank = try blankMatrix(name, outputs: outputs, inputs: inputs)
      return Array(repeating: blank, count: count)
    }
    guard record.shape == [count, outputs, inputs] else {
      throw .shapeMismatch(file: store.file.name, tensor: name, expected: [count, outputs, inputs], found: record.shape)
    }
    guard let layout = record.layout else {
      throw .encodingMismatch(file: store.file.name, tensor: name, expected: "one in blocks of 16 rows", found: record.encoding)
    }
    store.note(name, .products, part)
    return (0..<count).map { PackedMatrix(store: store, layout: layout, data: data + $0 &* layout.byteCount) }
  }

  /// A tensor that was split off into another file: zeros of this shape, shared by all such tensors; nothing computes with them.
  private func blank(_ name: String, shape: [Int]) throws(WeightFileError) -> UnsafeRawPointer {
    var bytes: Int? = MemoryLayout<Float>.stride
    for extent in shape { bytes = bytes.flatMap { checked($0.multipliedReportingOverflow(by: extent)) } }
    guard store.leavesOut(part) else { throw .missingTensor(file: store.file.name, tensor: name) }
    guard let bytes, let place = store.blank(bytes) else { throw .outOfMemory(file: store.file.name, bytes: bytes ?? .max) }
    return place
  }

  private func blankMatrix(_ name: String, outputs: Int, inputs: Int) throws(WeightFileError) -> PackedMatrix {
    guard store.leavesOut(part) else { throw .missingTensor(file: store.file.name, tensor: name) }
    guard let layout = PackedLayout(encoding: .f32x16, outputs: outputs, inputs: inputs, group: 0), let place = store.blank(layout.byteCount)
    else { throw .outOfMemory(file: store.file.name, bytes: .max) }
    return PackedMatrix(store: store, layout: layout, data: place)
  }

  private func checked(_ result: (partialValue: Int, overflow: Bool)) -> Int? { result.overflow ? nil : result.partialValue }
}

/// What a matrix is read for.
package enum MatrixUse {
  case products, rows
  /// Products that only `Linear.callAsFunction(_:into:_:)` computes, which can do so part by part: an LM head.
  case head
}

/// A matrix in a packed layout, and the store that its bytes belong to.
package struct PackedMatrix {
  let store: WeightStore
  package let layout: PackedLayout
  package let data: UnsafeRawPointer
  /// Whether the store's weights are more than stay in a cache from one token to the next.
  let comesFromMemory: Bool

  init(store: WeightStore, layout: PackedLayout, data: UnsafeRawPointer) {
    self.store = store
    self.layout = layout
    self.data = data
    comesFromMemory = store.byteCount > PackedMatrix.cachedBytes
  }

  /// Weights that stay in the last-level cache of most machines. Prefetching them costs more than it gains: a small matrix ends before the place
  /// that would be prefetched.
  private static let cachedBytes = 16 << 20
}
