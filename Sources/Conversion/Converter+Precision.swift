// SPDX-License-Identifier: Apache-2.0
import Runtime
import WeightFile

extension Converter {
  /// How small an int4 model is to be.
  package enum Target: Sendable {
    /// Bytes of all weights, before compression.
    case bytes(Int)
    /// Bits per weight over the decoder's matrices, embedding and head included.
    case bitsPerWeight(Double)
  }

  /// What each tensor is written as.
  typealias Encodings = [(encoding: TensorEncoding, group: Int)]

  /// Bytes that the tensor takes before compression.
  static func byteCount(_ tensor: PlannedTensor, _ encoding: TensorEncoding, _ group: Int) -> Int {
    let matrices = tensor.matrices
    guard let shape = matrices.first?.shape, shape.count == 2,
      let layout = PackedLayout(encoding: encoding, outputs: shape[0], inputs: shape[1], group: group)
    else { return 4 * tensor.shape.reduce(1, *) }
    return matrices.count * layout.byteCount
  }

  /// Encodings by the policy, or those that suit the target.
  func encodings(pool: ThreadPool, progress: (_ done: Int, _ tensor: String) throws -> Void) throws -> Encodings {
    let policy = PrecisionPolicy(type: options.type, vision: options.visionType, group: options.group)
    var chosen = system.tensors.map { policy.encoding($0.role, inputs: $0.matrices.first?.shape.count == 2 ? $0.shape.last ?? 0 : 0) }
    guard let target = options.target else { return chosen }
    let open = system.tensors.indices.filter { isOpen(system.tensors[$0]) }
    var done = 0
    let candidates = try open.map { i in
      let tensor = system.tensors[i]
      try progress(done, tensor.name)
      return try policy.choices(inputs: tensor.shape[1]).map { encoding, group in
        let stream = try stream(tensor, encoding, group, pool: pool)
        let error = try stream.run { _, elements in
          done += elements
          try progress(done, tensor.name)
        }
        return MixedPrecision.Candidate(
          encoding: encoding, group: group, byteCount: Self.byteCount(tensor, encoding, group),
          loss: error.weightedRelative * error.weightedRelative
            * PrecisionPolicy.sensitivity(tensor.role, ofOutputs: error.outputs.power > 0))
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

  /// Whether a target decides about the tensor.
  func isOpen(_ tensor: PlannedTensor) -> Bool {
    guard options.type == .int4, tensor.shape.count == 2 else { return false }
    switch tensor.role {
    case .decoder, .embedding, .head: return true
    default: return false
    }
  }

  func stream(_ tensor: PlannedTensor, _ encoding: TensorEncoding, _ group: Int, pool: ThreadPool) throws -> MatrixStream {
    guard tensor.shape.count == 2,
      let layout = PackedLayout(encoding: encoding, outputs: tensor.shape[0], inputs: tensor.shape[1], group: group)
    else {
      throw ConversionError.unsupported("tensor \(tensor.name) of shape \(tensor.shape) as \(encoding.name)")
    }
    let importance = encoding.isQuantized ? try importance(of: tensor, encoding, pool) : nil
    let targets =
      encoding == .q4x16 && importance == nil && options.usesFeedback ? try estimate.valueTargets(of: tensor, layout, pool) : nil
    return try MatrixStream(
      tensor: tensor, source: system.source, layout: layout, importance: importance, targets: targets, pool: pool)
  }

  private func importance(of tensor: PlannedTensor, _ encoding: TensorEncoding, _ pool: ThreadPool) throws -> InputImportance? {
    if let measured = try InputImportance(options.importance, of: tensor.name, usesMoments: options.usesFeedback) { return measured }
    // int8 errs too little for a guess to matter.
    return encoding == .q4x16 ? try estimate.importance(of: tensor, usesFeedback: options.usesFeedback, pool: pool) : nil
  }
}
