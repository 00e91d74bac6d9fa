// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Quantization

/// Collects the tensors that a system needs, in order of first use. Nothing is read; all errors are collected and reported together.
package final class CheckpointPlan {
  package let source: any TensorSource
  package private(set) var tensors: [PlannedTensor] = []
  private var used: Set<String> = []
  private var missing: [String] = [], misshapen: [String] = []

  package init(_ source: any TensorSource) { self.source = source }

  package func has(_ name: String) -> Bool { source.info(name) != nil }

  /// A plain tensor.
  /// - Parameter sourceShape: its shape in the checkpoint, where that has additional axes of extent 1.
  func table(_ name: String, _ shape: [Int], from sourceName: String, sourceShape: [Int]? = nil) {
    guard let info = find(sourceName, sourceShape ?? shape) else { return }
    add(name, shape, .table, [TensorRows(info)])
  }

  /// A vector, which the checkpoint may have as a matrix of one row.
  func vector(_ name: String, _ count: Int, from sourceName: String) {
    table(name, [count], from: sourceName, sourceShape: source.info(sourceName)?.shape == [1, count] ? [1, count] : nil)
  }

  /// A matrix `[Σ outputs, inputs]` that concatenates checkpoint matrices, and their biases, if any, as one table.
  /// - Parameter parts: module names in the checkpoint (without `.weight`) and their outputs.
  func linear(_ name: String, _ role: TensorRole, inputs: Int, parts: [(module: String, outputs: Int)], bias: Bias) {
    let outputs = parts.reduce(0) { $0 + $1.outputs }
    let weights = parts.compactMap { find($0.module + ".weight", [$0.outputs, inputs]) }
    if weights.count == parts.count {
      add(name + ".weight", [outputs, inputs], role, weights.map { TensorRows($0) })
    }
    let hasBias = bias == .required || (bias == .optional && parts.contains { has($0.module + ".bias") })
    guard hasBias else { return }
    let biases = parts.compactMap { find($0.module + ".bias", [$0.outputs]) }
    if biases.count == parts.count {
      add(name + ".bias", [outputs], .table, biases.map { TensorRows($0) })
    }
  }

  enum Bias { case none, optional, required }

  /// Matrices `[count, Σ outputs, inputs]` of separate checkpoint tensors (experts), each a concatenation of several.
  /// - Parameter parts: module names in the checkpoint (without `.weight`) of one matrix, and their outputs.
  func stacked(_ name: String, _ role: TensorRole, count: Int, inputs: Int, parts: (Int) -> [(module: String, outputs: Int)]) {
    var rows: [TensorRows] = []
    var outputs = 0
    var isWhole = true
    for matrix in 0..<count {
      let parts = parts(matrix)
      outputs = parts.reduce(0) { $0 + $1.outputs }
      for part in parts {
        if let info = find(part.module + ".weight", [part.outputs, inputs]) { rows.append(TensorRows(info)) } else { isWhole = false }
      }
    }
    if isWhole { add(name + ".weight", [count, outputs, inputs], role, rows) }
  }

  /// A matrix of selected rows of one checkpoint matrix `[total, inputs]`, in the order of `rows`, and likewise its bias.
  /// - Parameters:
  ///   - weight, bias: full names in the checkpoint; `bias` nil: none.
  func linear(
    _ name: String, _ role: TensorRole, inputs: Int, total: Int, rows: [Range<Int>], weight: String, bias: String?
  ) {
    let outputs = rows.reduce(0) { $0 + $1.count }
    if let info = find(weight, [total, inputs]) {
      add(name + ".weight", [outputs, inputs], role, rows.map { TensorRows(info, $0) })
    }
    if let bias, let info = find(bias, [total]) { add(name + ".bias", [outputs], .table, rows.map { TensorRows(info, $0) }) }
  }

  /// A matrix stored as `[inputs, outputs]` in the checkpoint.
  func transposed(_ name: String, _ role: TensorRole, inputs: Int, outputs: Int, from sourceName: String) {
    guard let info = find(sourceName, [inputs, outputs]) else { return }
    add(name + ".weight", [outputs, inputs], role, [TensorRows(info)], .transposed)
  }

  private func add(
    _ name: String, _ shape: [Int], _ role: TensorRole, _ sources: [TensorRows], _ order: PlannedTensor.Order = .rows
  ) {
    tensors.append(PlannedTensor(name: name, shape: shape, role: role, sources: sources, order: order))
  }

  /// A matrix with exactly this name in the checkpoint (embeddings, a patch kernel `[hidden, 3, p, p]`).
  func matrix(_ name: String, _ role: TensorRole, _ shape: [Int], from sourceName: String, sourceShape: [Int]? = nil) {
    guard let info = find(sourceName, sourceShape ?? shape) else { return }
    add(name, shape, role, [TensorRows(info)])
  }

  /// A table with another shape in the checkpoint, or with only the rows from `firstRow` on.
  func table(_ name: String, _ shape: [Int], from sourceName: String, sourceShape: [Int], firstRow: Int = 0) {
    guard let info = find(sourceName, sourceShape), firstRow <= info.rows else { return }
    add(name, shape, .table, [TensorRows(info, firstRow..<info.rows)])
  }

  /// A square kernel over all channels as a matrix. PyTorch keeps it as `[outputs, channels, y, x]`, MLX as `[outputs, y, x, channels]`.
  /// - Parameter channelsLast: the order of the written matrix's inputs, and whether the checkpoint has the same.
  func kernel(
    _ name: String, _ role: TensorRole, outputs: Int, channels: Int, side: Int, from sourceName: String,
    channelsLast: (written: Bool, source: Bool)
  ) {
    let area = side * side
    let shape = channelsLast.source ? [outputs, side, side, channels] : [outputs, channels, side, side]
    guard let info = find(sourceName, shape) else { return }
    let order: PlannedTensor.Order =
      channelsLast.written == channelsLast.source ? .rows : .transposedRows(of: channelsLast.source ? area : channels)
    add(name, [outputs, area * channels], role, [TensorRows(info)], order)
  }

  /// A table of relative positions for a grid of `side`, resized from the checkpoint's.
  func relativePositions(_ name: String, side: Int, size: Int, from sourceName: String) {
    let length = source.info(sourceName)?.rows ?? 2 * side - 1
    guard let info = find(sourceName, [length, size]), length > 0 else { return }
    add(name, [2 * side - 1, size], .exact, [TensorRows(info)], .relativePositions)
  }

  /// `weight` and, for LayerNorm, `bias`.
  func norm(_ name: String, _ size: Int, from module: String, hasBias: Bool) {
    table(name + ".weight", [size], from: module + ".weight")
    if hasBias { table(name + ".bias", [size], from: module + ".bias") }
  }

  /// A 3×3 depth-wise convolution, kernel position outermost in the file.
  func depthwise(_ name: String, channels: Int, from module: String) {
    if let info = find(module + ".weight", [channels, 1, 3, 3]) {
      add(name + ".weight", [9, channels], .table, [TensorRows(info)], .depthwise)
    }
    table(name + ".bias", [channels], from: module + ".bias")
  }

  /// Whether the LM head is tied to the embedding: as the config says, unless the checkpoint has a different head. transformers warns of
  /// such a checkpoint and keeps the head.
  func isTied(_ isSaid: Bool, embedding: String, head: String) throws -> Bool {
    guard isSaid, let a = source.info(embedding), let b = source.info(head), a.type.isFloat, b.type.isFloat else { return isSaid }
    guard a.shape == b.shape, a.shape.count == 2 else { return false }
    guard try source.haveSameNumbers(a, b) else { return false }
    source.release(embedding)
    source.release(head)
    return true
  }

  private func find(_ name: String, _ shape: [Int]) -> TensorInfo? {
    guard let info = source.info(name) else {
      missing.append(name)
      return nil
    }
    used.insert(name)
    guard info.type.isFloat else {
      misshapen.append(
        "\(name): numbers of type \(info.type.rawValue), which are codes and no weights; convert the checkpoint from before its quantisation")
      return nil
    }
    guard info.shape == shape else {
      misshapen.append("\(name): \(info.shape), expected \(shape)")
      return nil
    }
    return info
  }

  /// - Parameter isIgnorable: whether a tensor may be present without being used.
  /// - Throws: `.tensors` when something is missing, misshapen or left over.
  package func finish(isIgnorable: (String) -> Bool) throws {
    let unknown = source.tensors.map(\.name).filter { !used.contains($0) && !isIgnorable($0) }
    guard missing.isEmpty, misshapen.isEmpty, unknown.isEmpty else {
      throw ConversionError.tensors(missing: missing, unknown: unknown.sorted(), misshapen: misshapen)
    }
  }
}
