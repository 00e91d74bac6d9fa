// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Quantization
import Runtime
import WeightFile

extension Converter {
  /// The target size of an int4 model.
  package enum Target: Sendable {
    /// Bytes of all weights, before compression.
    case bytes(Int)
    /// Average bits per weight of the decoder's matrices, with embedding and head.
    case bitsPerWeight(Double)
  }

  /// Encoding and group size of each tensor.
  typealias Encodings = [(encoding: TensorEncoding, group: Int)]

  /// Bytes of the tensor before compression.
  static func byteCount(_ tensor: PlannedTensor, _ encoding: TensorEncoding, _ group: Int) -> Int {
    let matrices = tensor.matrices
    guard let shape = matrices.first?.shape, shape.count == 2,
      let layout = PackedLayout(encoding: encoding, outputs: shape[0], inputs: shape[1], group: group)
    else { return 4 * tensor.shape.reduce(1, *) }
    return matrices.count * layout.byteCount
  }

  /// Encodings by the policy, or those that meet the target.
  func encodings(from source: any TensorSource, pool: ThreadPool, progress: (_ done: Int, _ tensor: String) throws -> Void) throws -> Encodings {
    let policy = PrecisionPolicy(type: options.type, vision: options.visionType, group: options.group)
    let outlying = try tensorsWithOutliers(source, pool)
    var chosen: Encodings = zip(system.tensors, outlying).map { policy.encoding($0.role, inputs: inputs($0), hasOutliers: $1) }
    guard let target = options.target else { return chosen }
    let open = system.tensors.indices.filter { isOpen(system.tensors[$0]) }
    var done = 0
    let candidates = try open.map { i in
      let tensor = system.tensors[i]
      try progress(done, tensor.name)
      return try policy.choices.map { encoding, group in
        let stream = try stream(tensor, encoding, group, from: source, pool: pool)
        let error = try stream.run { _, elements in
          done += elements
          try progress(done, tensor.name)
        }
        return MixedPrecision.Candidate(
          encoding: encoding, group: group, byteCount: Self.byteCount(tensor, encoding, group),
          loss: error.weightedRelative * error.weightedRelative
            * PrecisionPolicy.sensitivity(tensor.role, ofOutputs: error.outputs.power > 0, hasOutliers: outlying[i]))
      }
    }
    let budget: Int
    switch target {
    case .bytes(let bytes):
      let fixed = Set(open)
      budget = system.tensors.indices.filter { !fixed.contains($0) }.reduce(bytes) {
        $0 - Self.byteCount(system.tensors[$1], chosen[$1].encoding, chosen[$1].group)
      }
    case .bitsPerWeight(let bits):
      budget = Int(bits / 8 * Double(open.reduce(0) { $0 + system.tensors[$1].shape.reduce(1, *) }))
    }
    guard let best = MixedPrecision.choose(candidates, budget: budget) else {
      let least = candidates.reduce(0) { $0 + ($1.map(\.byteCount).min() ?? 0) }
      throw ConversionError.badOption(
        "the target is too small: the decoder's matrices take at least \(least) bytes, and \(max(budget, 0)) are left for them")
    }
    for (i, candidate) in zip(open, best) { chosen[i] = (candidate.encoding, candidate.group) }
    return chosen
  }

  /// Columns of a matrix; else 0.
  private func inputs(_ tensor: PlannedTensor) -> Int { tensor.matrices.first?.shape.count == 2 ? tensor.shape.last ?? 0 : 0 }

  /// The checkpoint with smoothing of what is quantised, unless a calibration was measured without it; and the tensors that smoothing adds.
  func smoothed(_ pool: ThreadPool) throws -> (source: any TensorSource, added: [PlannedTensor]) {
    let policy = PrecisionPolicy(type: options.type, vision: options.visionType, group: options.group)
    let source = try SmoothedSource(system.source, system.tensors, isPostNorm: system.decoder.kind == .opt, pool: pool) { [self] in
      options.importance == nil && policy.encoding($0.role, inputs: inputs($0)).encoding.isQuantized
    }
    return source.isPlain ? (system.source, []) : (source, source.added)
  }

  /// Whether the target size decides the tensor's encoding.
  func isOpen(_ tensor: PlannedTensor) -> Bool {
    guard options.type.isMixed, tensor.shape.count == 2 else { return false }
    switch tensor.role {
    case .decoder, .embedding, .head: return true
    default: return false
    }
  }

  func stream(
    _ tensor: PlannedTensor, _ encoding: TensorEncoding, _ group: Int, from source: any TensorSource, pool: ThreadPool
  ) throws -> MatrixStream {
    guard tensor.shape.count == 2,
      let layout = PackedLayout(encoding: encoding, outputs: tensor.shape[0], inputs: tensor.shape[1], group: group)
    else {
      throw ConversionError.unsupported("tensor \(tensor.name) of shape \(tensor.shape) as \(encoding.name)")
    }
    let importance =
      encoding.isQuantized ? try InputImportance(options.importance, of: tensor.name, usesMoments: options.usesFeedback) : nil
    return try MatrixStream(tensor: tensor, source: source, layout: layout, importance: importance, pool: pool)
  }

  /// For each tensor, whether it is a matrix whose outputs are added to the residual stream and that has an outlier weight: see
  /// `PrecisionPolicy.spike`.
  private func tensorsWithOutliers(_ source: any TensorSource, _ pool: ThreadPool) throws -> [Bool] {
    try system.tensors.map { tensor in
      guard options.type.isMixed, case .decoder(_, let part) = tensor.role, part == .mlpOut || part == .attentionOut,
        tensor.shape.count == 2, tensor.order == .rows
      else { return false }
      return try tensor.hasOutliers(source, pool)
    }
  }
}
