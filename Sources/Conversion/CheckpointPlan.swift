// SPDX-License-Identifier: Apache-2.0

/// What a tensor is for; the precision policy decides by it.
package enum TensorRole: Equatable, Sendable {
  /// Norms, biases, positions, separators, depth-wise kernels: plain numbers.
  case table
  case patch, vision, projector
  case embedding, head
  case decoder(layer: Int, DecoderPart)

  package enum DecoderPart: Sendable { case attentionIn, attentionOut, mlpIn, mlpOut }
}

/// One tensor of the weight file and the checkpoint tensors its rows come from, one after another.
package struct PlannedTensor: Sendable {
  package let name: String
  package let shape: [Int]
  package let role: TensorRole
  package let sources: [TensorInfo]
  /// A depth-wise kernel `[channels, 1, 3, 3]` that is written as `[9, channels]`.
  package let isDepthwise: Bool
}

/// Collects the tensors a system needs, in order of first use. Nothing is read; every fault is gathered, so that one run names them all.
package final class CheckpointPlan {
  package let source: any TensorSource
  package private(set) var tensors: [PlannedTensor] = []
  private var used: Set<String> = []
  private var missing: [String] = [], misshapen: [String] = []

  package init(_ source: any TensorSource) { self.source = source }

  package func has(_ name: String) -> Bool { source.info(name) != nil }

  /// A plain tensor.
  func table(_ name: String, _ shape: [Int], from sourceName: String) {
    guard let info = find(sourceName, shape) else { return }
    tensors.append(PlannedTensor(name: name, shape: shape, role: .table, sources: [info], isDepthwise: false))
  }

  /// A matrix `[Σ outputs, inputs]` of the rows of several checkpoint matrices, and their biases, if there are any, as one table.
  /// - Parameter parts: module names in the checkpoint (without `.weight`) and their outputs.
  func linear(_ name: String, _ role: TensorRole, inputs: Int, parts: [(module: String, outputs: Int)], bias: Bias) {
    let outputs = parts.reduce(0) { $0 + $1.outputs }
    let weights = parts.compactMap { find($0.module + ".weight", [$0.outputs, inputs]) }
    if weights.count == parts.count {
      tensors.append(
        PlannedTensor(name: name + ".weight", shape: [outputs, inputs], role: role, sources: weights, isDepthwise: false))
    }
    let hasBias = bias == .required || (bias == .optional && parts.contains { has($0.module + ".bias") })
    guard hasBias else { return }
    let biases = parts.compactMap { find($0.module + ".bias", [$0.outputs]) }
    if biases.count == parts.count {
      tensors.append(PlannedTensor(name: name + ".bias", shape: [outputs], role: .table, sources: biases, isDepthwise: false))
    }
  }

  enum Bias { case none, optional, required }

  /// A matrix that stands alone in the checkpoint under exactly this name (embeddings, a patch kernel `[hidden, 3, p, p]`).
  func matrix(_ name: String, _ role: TensorRole, _ shape: [Int], from sourceName: String, sourceShape: [Int]? = nil) {
    guard let info = find(sourceName, sourceShape ?? shape) else { return }
    tensors.append(PlannedTensor(name: name, shape: shape, role: role, sources: [info], isDepthwise: false))
  }

  /// `weight` and, for LayerNorm, `bias`.
  func norm(_ name: String, _ size: Int, from module: String, hasBias: Bool) {
    table(name + ".weight", [size], from: module + ".weight")
    if hasBias { table(name + ".bias", [size], from: module + ".bias") }
  }

  /// A 3×3 depth-wise convolution, kernel position outermost in the file.
  func depthwise(_ name: String, channels: Int, from module: String) {
    if let info = find(module + ".weight", [channels, 1, 3, 3]) {
      tensors.append(PlannedTensor(name: name + ".weight", shape: [9, channels], role: .table, sources: [info], isDepthwise: true))
    }
    table(name + ".bias", [channels], from: module + ".bias")
  }

  private func find(_ name: String, _ shape: [Int]) -> TensorInfo? {
    guard let info = source.info(name) else {
      missing.append(name)
      return nil
    }
    used.insert(name)
    guard info.shape == shape else {
      misshapen.append("\(name): \(info.shape), expected \(shape)")
      return nil
    }
    return info
  }

  /// - Parameter isIgnorable: names that may be there without being used.
  /// - Throws: `.tensors` when something is missing, misshapen or left over.
  package func finish(isIgnorable: (String) -> Bool) throws {
    let unknown = source.tensors.map(\.name).filter { !used.contains($0) && !isIgnorable($0) }
    guard missing.isEmpty, misshapen.isEmpty, unknown.isEmpty else {
      throw ConversionError.tensors(missing: missing, unknown: unknown.sorted(), misshapen: misshapen)
    }
  }
}
