// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Runtime

/// A checkpoint with activation outliers moved into its weights, for quantised types. The function computed is the same up to the rounding
/// of floats.
///
/// - A channel that a norm makes many times larger than the others costs its quantisation group precision. The norm's weight and bias are
///   divided, and the column of the next matrix multiplied, by the same factor (SmoothQuant, arXiv:2211.10438). Such channels are
///   recognised from the weights alone: γ is large where the column is small.
/// - An MLP's hidden unit that is many times larger than the others is divided by a factor, and the column that reads it multiplied. A gated
///   MLP is linear in its up projection, whose rows are divided; any other gets a table of factors for its contraction's inputs, the only
///   cost at run time.
///
/// Blocks with anything besides attention and MLP (adapters that read a norm's output) are left unchanged.
package final class SmoothedSource: TensorSource {
  /// The changes to one tensor of the checkpoint.
  private struct Change: Sendable {
    /// For each column of a matrix, or each element of a vector.
    var factors: [Float]?
    /// For each row of a matrix.
    var rowFactors: [Float]?
  }

  private let base: any TensorSource
  private let changes: [String: Change]
  private let tables: [String: [Float]]
  /// Tables of input factors, which the checkpoint does not have.
  package let added: [PlannedTensor]

  /// Whether nothing changes.
  package var isPlain: Bool { changes.isEmpty }
  package var tensors: [TensorInfo] { base.tensors }
  package func info(_ name: String) -> TensorInfo? { base.info(name) }
  package func release(_ name: String) { base.release(name) }

  /// Channels and units up to this many times the median are left unchanged.
  private static let tolerance: Float = 6

  /// - Parameters:
  ///   - isPostNorm: whether the decoder's norms may come after the sublayer (OPT): its blocks are left unchanged.
  ///   - isQuantized: whether a tensor becomes quantised.
  package init(
    _ source: any TensorSource, _ tensors: [PlannedTensor], isPostNorm: Bool, pool: ThreadPool, isQuantized: (PlannedTensor) -> Bool
  ) throws {
    base = source
    var changes: [String: Change] = [:]
    var tables: [String: [Float]] = [:]
    var added: [PlannedTensor] = []
    for block in Block.all(tensors, isPostNorm: isPostNorm, isQuantized: isQuantized) {
      for (norm, matrix) in block.normed {
        if let factors = try Self.factors(norm, matrix, base, pool) {
          for tensor in norm { changes[tensor.sources[0].info.name] = Change(factors: factors.map { 1 / $0 }) }
          for part in matrix.sources { changes[part.info.name] = Change(factors: factors) }
        }
      }
      guard let (norm, inner, contract) = block.units, let factors = try Self.factors(norm, inner, contract, base, pool) else { continue }
      let inverse = factors.map { 1 / $0 }
      changes[contract.sources[0].info.name, default: Change()].factors = factors
      if inner.sources.count == 2 {
        changes[inner.sources[1].info.name, default: Change()].rowFactors = inverse
      } else {
        let name = "\(contract.name.dropLast("weight".count))inputFactors"
        tables[name] = inverse
        let rows = TensorRows(TensorInfo(name: name, shape: [inverse.count], type: .f32))
        added.append(PlannedTensor(name: name, shape: rows.info.shape, role: .table, sources: [rows], order: .rows))
      }
    }
    self.changes = changes
    self.tables = tables
    self.added = added
  }

  package func read(_ name: String, rows: Range<Int>, into out: UnsafeMutablePointer<Float>) throws {
    if let table = tables[name] {
      for (i, row) in rows.enumerated() { out[i] = table[row] }
      return
    }
    try base.read(name, rows: rows, into: out)
    guard let change = changes[name], let info = base.info(name) else { return }
    let size = info.rowSize
    if let factors = change.rowFactors {
      for (i, row) in rows.enumerated() { for j in 0..<size { out[i * size + j] *= factors[row] } }
    }
    if let factors = change.factors {
      for i in 0..<rows.count {
        for j in 0..<size { out[i * size + j] *= size == 1 ? factors[rows.lowerBound + i] : factors[j] }
      }
    }
  }

  /// The norms and matrices of a block, where they have the usual structure.
  private struct Block {
    /// Norms (weight and bias), and the only matrix that reads each.
    var normed: [(norm: [PlannedTensor], matrix: PlannedTensor)] = []
    /// The matrix that produces an MLP's hidden units, the norm before it, and the matrix that reads them.
    var units: (norm: PlannedTensor?, inner: PlannedTensor, contract: PlannedTensor)?

    /// Tensors that a block may have.
    private static let known: Set<String> = [
      "norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias", "attn.qkv.weight", "attn.qkv.bias", "attn.out.weight", "attn.out.bias",
      "mlp.expand.weight", "mlp.expand.bias", "mlp.gateUp.weight", "mlp.contract.weight", "mlp.contract.bias", "scale1", "scale2",
      "attn.positions.rows.weight", "attn.positions.columns.weight",
    ]

    static func all(_ tensors: [PlannedTensor], isPostNorm: Bool, isQuantized: (PlannedTensor) -> Bool) -> [Block] {
      var parts: [String: [String: PlannedTensor]] = [:]
      var order: [String] = []
      var uses: [String: Int] = [:]
      for tensor in tensors {
        for source in tensor.sources { uses[source.info.name, default: 0] += 1 }
        let names = tensor.name.split(separator: ".")
        // "….layers.7.norm1.weight"
        guard let at = names.lastIndex(of: "layers"), at + 1 < names.count else { continue }
        let block = names[...(at + 1)].joined(separator: ".")
        if parts[block] == nil { order.append(block) }
        parts[block, default: [:]][names[(at + 2)...].joined(separator: ".")] = tensor
      }
      return order.compactMap { name in
        guard let all = parts[name], all.keys.allSatisfy(known.contains) else { return nil }
        if isPostNorm, name.hasPrefix("language.") { return nil }
        // Whole tensors of the checkpoint, each used only once.
        func whole(_ name: String) -> PlannedTensor? {
          guard let found = all[name], found.order == .rows,
            found.sources.allSatisfy({ $0.rows.count == $0.info.rows && uses[$0.info.name] == 1 })
          else { return nil }
          return found
        }
        var block = Block()
        for (norm, matrices) in [("norm1", ["attn.qkv.weight"]), ("norm2", ["mlp.gateUp.weight", "mlp.expand.weight"])] {
          let bias = all[norm + ".bias"]
          guard let weight = whole(norm + ".weight"), weight.sources.count == 1, bias == nil || whole(norm + ".bias")?.sources.count == 1,
            let matrix = matrices.lazy.compactMap(whole).first, isQuantized(matrix), matrix.shape.count == 2, matrix.shape[1] == weight.shape[0]
          else { continue }
          block.normed.append(([weight] + (bias.map { [$0] } ?? []), matrix))
        }
        if let contract = whole("mlp.contract.weight"), contract.sources.count == 1, isQuantized(contract), contract.shape.count == 2,
          let inner = whole("mlp.gateUp.weight") ?? whole("mlp.expand.weight"),
          inner.sources.allSatisfy({ $0.info.rows == contract.shape[1] }), inner.sources.count * contract.shape[1] == inner.shape[0],
          inner.sources.count == 1 || inner.name.hasSuffix("gateUp.weight")
        {
          block.units = (whole("norm2.weight"), inner, contract)
        }
        return block
      }
    }
  }

  /// For each channel its factor, where the norm's weight exceeds `tolerance` times the median; else 1. Nil: all 1.
  private static func factors(
    _ norm: [PlannedTensor], _ matrix: PlannedTensor, _ source: any TensorSource, _ pool: ThreadPool
  ) throws -> [Float]? {
    let gamma = try norm[0].read(from: source).map(abs)
    guard let middle = median(gamma), let largest = gamma.max(), largest > tolerance * middle else { return nil }
    return try factors(of: gamma, middle: middle, matrix, source, pool)
  }

  /// The same for an MLP's hidden units, whose sizes are estimated from the weights that produce them.
  private static func factors(
    _ norm: PlannedTensor?, _ inner: PlannedTensor, _ contract: PlannedTensor, _ source: any TensorSource, _ pool: ThreadPool
  ) throws -> [Float]? {
    let gamma = try norm?.read(from: source)
    let (rows, inputs) = (inner.shape[0], inner.shape[1])
    let parts = try rowParts(inner, source, pool, of: 64) { values, out in
      for r in 0..<values.count / inputs {
        var sum: Float = 0
        for j in 0..<inputs {
          let x = values[r * inputs + j] * (gamma?[j] ?? 1)
          sum += x * x
        }
        out[r] = sum.squareRoot()
      }
    }
    let lengths = Array(parts.joined().prefix(rows))
    let units = rows / inner.sources.count
    let sizes = (0..<units).map { unit in stride(from: unit, to: rows, by: units).reduce(Float(1)) { $0 * lengths[$1] } }
    guard let middle = median(sizes), middle > 0, let largest = sizes.max(), largest.isFinite, largest > tolerance * middle else { return nil }
    return try factors(of: sizes, middle: middle, contract, source, pool)
  }

  /// - Parameter sizes: of the matrix's inputs; `middle`: their median.
  private static func factors(
    of sizes: [Float], middle: Float, _ matrix: PlannedTensor, _ source: any TensorSource, _ pool: ThreadPool
  ) throws -> [Float]? {
    let inputs = matrix.shape[1]
    let parts = try rowParts(matrix, source, pool, of: inputs) { values, out in
      for start in stride(from: 0, to: values.count, by: inputs) {
        for j in 0..<inputs { out[j] += values[start + j] * values[start + j] }
      }
    }
    let columns = (0..<inputs).map { j in parts.reduce(0) { $0 + $1[j] }.squareRoot() }
    guard let column = median(columns) else { return nil }
    let factors = (0..<inputs).map { j -> Float in
      let large = sizes[j] / middle
      guard large > tolerance, columns[j] > 0 else { return 1 }
      // SmoothQuant with α = ½: halves the outlier's share between input and column.
      return max((large * (column / columns[j])).squareRoot(), 1)
    }
    return factors.allSatisfy { $0 < 1.5 } || !factors.allSatisfy(\.isFinite) ? nil : factors
  }

  private static func median(_ x: [Float]) -> Float? { x.isEmpty ? nil : x.sorted()[x.count / 2] }

  /// For each 64 rows, `size` numbers computed by one thread.
  private static func rowParts(
    _ tensor: PlannedTensor, _ source: any TensorSource, _ pool: ThreadPool, of size: Int, _ make: ([Float], inout [Float]) -> Void
  ) throws -> [[Float]] {
    defer { for part in tensor.sources { source.release(part.info.name) } }
    let rows = tensor.shape[0]
    return try pool.results((rows + 63) / 64) { i in
      var out = [Float](repeating: 0, count: size)
      make(try tensor.read(rows: i * 64..<min(i * 64 + 64, rows), from: source), &out)
      return out
    }
  }
}

extension ThreadPool {
  /// The results of `make` for 0 ..< count, computed on all threads; throws the first error.
  func results<T>(_ count: Int, _ make: (Int) throws -> T) throws -> [T] {
    let found = UnsafeMutableBufferPointer<Result<T, any Error>?>.allocate(capacity: count)
    found.initialize(repeating: nil)
    defer {
      found.deinitialize()
      found.deallocate()
    }
    run(count) { i in found[i] = Result { try make(i) } }
    return try found.compactMap { try $0?.get() }
  }
}
