// SPDX-License-Identifier: Apache-2.0
import Runtime
import WeightFile

/// What the weights of a decoder's block say of each other, where no calibration does. Of inputs: the block's normalised states are taken
/// for independent and of equal power, so that what a norm gives has the powers γ².
///
/// - Inputs of an attention's output are averages of values. Those of one head have the moments Vdiag(γ²)Vᵀ, V the head's rows, which lets
///   errors make up for each other within the head (`ErrorFeedback`). On the nano models' decoders the outputs' squared error is then 0.67 to
///   0.9 of that without; moments measured on real inputs would leave 0.25 to 0.35.
/// - Inputs of an MLP's contraction are products of gate and up. Their powers are taken for |γ·gate|²·|γ·up|²: 0.75 to 0.96 of the squared
///   error, with measured powers 0.5 to 0.8.
///
/// Of the other inputs only γ² is known, and weighing errors by it gains nothing (0.98 to 1.01).
struct BlockEstimate: Sendable {
  private let tensors: [String: PlannedTensor]
  let source: any TensorSource
  let headSize: Int

  /// Of the diagonal's mean: the estimate is no measurement. From 0.01 to 0.3 it makes no difference.
  static let damping = 0.1

  init(_ system: SystemDescription) {
    tensors = Dictionary(system.tensors.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    source = system.source
    headSize = system.decoder.headSize
  }

  /// - Returns: nil where nothing is known.
  func importance(of tensor: PlannedTensor, usesFeedback: Bool, pool: ThreadPool) throws -> InputImportance? {
    guard case .decoder(_, let part) = tensor.role, tensor.shape.count == 2 else { return nil }
    let found: (meanSquares: [Float], moments: [Float]?)?
    switch part {
    case .attentionOut: found = try values(into: tensor, pool)
    case .mlpOut: found = try products(into: tensor, pool).map { ($0, nil) }
    case .attentionIn, .mlpIn: found = nil
    }
    guard let found, found.meanSquares.allSatisfy(\.isFinite) else { return nil }
    return InputImportance(
      meanSquares: found.meanSquares, moments: usesFeedback ? found.moments : nil, damping: Self.damping, isMeasured: false)
  }

  /// A tensor of the same block, `name` taking the place of the last words of `tensor`'s.
  func neighbour(_ tensor: PlannedTensor, _ last: String, _ name: String) -> PlannedTensor? {
    guard tensor.name.hasSuffix(last), let found = tensors[tensor.name.dropLast(last.count) + name], found.order == .rows else { return nil }
    return found
  }

  /// Lets the tensor's pages go again: it was in the file before, and will not be read any more.
  private func release(_ tensor: PlannedTensor) {
    for part in tensor.sources { source.release(part.info.name) }
  }

  /// Means of squares of an attention's averages, and their moments in blocks of a head.
  private func values(into output: PlannedTensor, _ pool: ThreadPool) throws -> (meanSquares: [Float], moments: [Float]?)? {
    guard let qkv = neighbour(output, "attn.out.weight", "attn.qkv.weight"), let norm = neighbour(output, "attn.out.weight", "norm1.weight")
    else { return nil }
    defer { release(qkv) }
    let (width, size) = (output.shape[1], headSize)
    let rows = (qkv.shape[0] - width) / 2
    guard size > 0, rows > 0, width % size == 0, rows % size == 0, width % rows == 0 else { return nil }
    let gamma = try norm.read(from: source)
    let first = qkv.shape[0] - rows
    // [key-value heads][size][size]
    let moments = try each(rows / size, of: size * size, pool) { head, out in
      let v = try scaled(qkv, rows: first + head * size..<first + (head + 1) * size, by: gamma)
      for i in 0..<size {
        for j in 0...i {
          let product = v.product(i, j)
          out[i * size + j] = product
          out[j * size + i] = product
        }
      }
    }
    let shared = width / rows  // queries' heads to a head of values
    let all = (0..<width * size).map { moments[$0 / (shared * size * size) * (size * size) + $0 % (size * size)] }
    return ((0..<width).map { all[$0 * size + $0 % size] }, all)
  }

  /// Mean squares of an MLP's inner products.
  private func products(into contract: PlannedTensor, _ pool: ThreadPool) throws -> [Float]? {
    guard let norm = neighbour(contract, "mlp.contract.weight", "norm2.weight"),
      let inner = neighbour(contract, "mlp.contract.weight", "mlp.gateUp.weight") ?? neighbour(contract, "mlp.contract.weight", "mlp.expand.weight")
    else { return nil }
    defer { release(inner) }
    let (rows, width) = (inner.shape[0], contract.shape[1])
    let gamma = try norm.read(from: source)
    let atOnce = 64
    let squares = try each((rows + atOnce - 1) / atOnce, of: atOnce, pool) { part, out in
      let first = part * atOnce
      let w = try scaled(inner, rows: first..<min(first + atOnce, rows), by: gamma)
      for i in 0..<w.rows { out[i] = w.product(i, i) }
    }
    return rows == 2 * width ? (0..<width).map { squares[$0] * squares[width + $0] } : Array(squares[..<width])
  }

  /// Rows whose lengths are whole vectors.
  private struct Rows {
    let rows, vectors: Int
    var values: [SIMD8<Float>]

    func product(_ i: Int, _ j: Int) -> Float {
      values.withUnsafeBufferPointer { x in
        var sum = SIMD8<Float>(repeating: 0)
        for k in 0..<vectors { sum += x[i &* vectors &+ k] * x[j &* vectors &+ k] }
        return sum.sum()
      }
    }
  }

  /// Rows of a matrix, each input times its norm's weight.
  private func scaled(_ tensor: PlannedTensor, rows: Range<Int>, by gamma: [Float]) throws -> Rows {
    let inputs = tensor.shape[1]
    let plain = try tensor.read(rows: rows, from: source)
    let vectors = (inputs + 7) / 8
    var values = [SIMD8<Float>](repeating: SIMD8(repeating: 0), count: rows.count * vectors)
    for r in 0..<rows.count {
      for i in 0..<min(inputs, gamma.count) { values[r * vectors + i / 8][i % 8] = plain[r * inputs + i] * gamma[i] }
    }
    return Rows(rows: rows.count, vectors: vectors, values: values)
  }

  /// `count` parts of `size` numbers, each made by one thread.
  func each(
    _ count: Int, of size: Int, _ pool: ThreadPool, _ make: (_ part: Int, _ out: UnsafeMutablePointer<Float>) throws -> Void
  ) throws -> [Float] {
    let out = UnsafeMutableBufferPointer<Float>.allocate(capacity: max(count * size, 1))
    let faults = UnsafeMutableBufferPointer<(any Error)?>.allocate(capacity: max(count, 1))
    out.initialize(repeating: 0)
    faults.initialize(repeating: nil)
    defer {
      out.deallocate()
      faults.deinitialize()
      faults.deallocate()
    }
    guard let base = out.baseAddress else { return [] }
    pool.run(count) { part in
      do { try make(part, base + part * size) } catch { faults[part] = error }
    }
    for case let fault? in faults { throw fault }
    return Array(out[..<(count * size)])
  }
}
