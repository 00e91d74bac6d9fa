// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Runtime

/// The role of a tensor, by which the precision policy chooses its type.
package enum TensorRole: Equatable, Sendable {
  /// Norms, biases, position tables, separators, depth-wise kernels: stored as floats.
  case table
  case patch, vision, projector
  /// Relative positions, routers: matrices that are multiplied but small and unlike other weights, so stored as floats.
  case exact
  case embedding, head
  case decoder(layer: Int, DecoderPart)

  /// Whether it belongs to the vision side.
  var isVision: Bool {
    switch self {
    case .patch, .vision, .projector: true
    default: false
    }
  }

  package enum DecoderPart: Sendable { case attentionIn, attentionOut, mlpIn, mlpOut }
}

/// One tensor of the weight file, and the checkpoint tensors whose rows it concatenates.
package struct PlannedTensor: Sendable {
  /// How the checkpoint's numbers are reordered.
  package enum Order: Equatable, Sendable {
    /// Unchanged.
    case rows
    /// A depth-wise kernel `[channels, 1, 3, 3]` is written as `[9, channels]`.
    case depthwise
    /// A matrix `[inputs, outputs]`, multiplied from the right, is written as `[outputs, inputs]`.
    case transposed
    /// Each row is a matrix with `of` rows, which is written transposed: a kernel `[channels, y, x]` as `[y, x, channels]` or back.
    case transposedRows(of: Int)
    /// Vectors by query − key are written by key − query, resized to the table's length (`RelativePositionTable`).
    case relativePositions
  }

  package let name: String
  package let shape: [Int]
  package let role: TensorRole
  package let sources: [TensorRows]
  package let order: Order

  package init(name: String, shape: [Int], role: TensorRole, sources: [TensorRows], order: Order) {
    (self.name, self.shape, self.role, self.sources, self.order) = (name, shape, role, sources, order)
  }

  /// The matrices of a tensor `[count, outputs, inputs]`, each with its part of the sources; the tensor itself where it is one matrix.
  package var matrices: [PlannedTensor] {
    guard shape.count == 3, role != .table else { return [self] }
    return (0..<shape[0]).map { matrix in
      let wanted = matrix * shape[1]..<(matrix + 1) * shape[1]
      var parts: [TensorRows] = []
      var base = 0
      for part in sources {
        let overlap = wanted.clamped(to: base..<base + part.rows.count)
        let first = part.rows.lowerBound - base
        if !overlap.isEmpty { parts.append(TensorRows(part.info, overlap.lowerBound + first..<overlap.upperBound + first)) }
        base += part.rows.count
      }
      return PlannedTensor(name: name, shape: Array(shape.dropFirst()), role: role, sources: parts, order: order)
    }
  }

  /// Rows in checkpoint order, `order` not applied; they may span several of its tensors.
  func read(rows wanted: Range<Int>, from source: any TensorSource, into out: UnsafeMutablePointer<Float>) throws {
    let size = shape.dropFirst().reduce(1, *)
    var base = 0
    for part in sources {
      let overlap = wanted.clamped(to: base..<base + part.rows.count)
      if !overlap.isEmpty {
        let first = part.rows.lowerBound - base
        try source.read(
          part.info.name, rows: overlap.lowerBound + first..<overlap.upperBound + first, into: out + (overlap.lowerBound - wanted.lowerBound) * size)
      }
      base += part.rows.count
    }
  }

  /// Some rows of a tensor, all when nil.
  func read(rows: Range<Int>? = nil, from source: any TensorSource) throws -> [Float] {
    let rows = rows ?? 0..<(shape.first ?? 1)
    var values = [Float](repeating: 0, count: rows.count * shape.dropFirst().reduce(1, *))
    try values.withUnsafeMutableBufferPointer { buffer in
      if let base = buffer.baseAddress { try read(rows: rows, from: source, into: base) }
    }
    return values
  }

  /// Whether its largest weight is more than `PrecisionPolicy.spike` times the root mean square.
  package func hasOutliers(_ source: any TensorSource, _ pool: ThreadPool) throws -> Bool {
    defer { for part in sources { source.release(part.info.name) } }
    let (rows, atOnce) = (shape[0], 64)
    let parts = try pool.results((rows + atOnce - 1) / atOnce) { i in
      try read(rows: i * atOnce..<min((i + 1) * atOnce, rows), from: source).reduce(into: (largest: Float(0), power: Float(0))) {
        $0.largest = max($0.largest, abs($1))
        $0.power += $1 * $1
      }
    }
    let power = parts.reduce(0) { $0 + Double($1.power) } / Double(max(rows * shape[1], 1))
    return Double(parts.map(\.largest).max() ?? 0) > PrecisionPolicy.spike * power.squareRoot()
  }
}
