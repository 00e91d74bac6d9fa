// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// A source with PEFT LoRA adapters merged in while it is read: W + scale · B · A (arXiv:2106.09685 §4.1).
package final class LoRASource: TensorSource {
  package let tensors: [TensorInfo]
  private let base: any TensorSource
  private let pairs: [String: Pair]
  /// A and B of the tensors being read; freed by `release`.
  private let loaded = Mutex<[String: Factors]>([:])

  /// The two factors of one weight in the adapter file: A `[rank, inputs]`, B `[outputs, rank]`.
  package struct Pair {
    let a, b: TensorInfo
    let source: any TensorSource
    let scale: Float

    package init(a: TensorInfo, b: TensorInfo, source: any TensorSource, scale: Float) {
      (self.a, self.b, self.source, self.scale) = (a, b, source, scale)
    }
  }

  private struct Factors {
    let a, b: [Float]
    let rank: Int
  }

  /// - Parameter pairs: by the name of the weight in `base`; shapes are checked by `LoRADirectory`.
  package init(base: any TensorSource, pairs: [String: Pair]) {
    self.base = base
    self.pairs = pairs
    tensors = base.tensors
  }

  package func info(_ name: String) -> TensorInfo? { base.info(name) }

  package func read(_ name: String, rows: Range<Int>, into out: UnsafeMutablePointer<Float>) throws {
    try base.read(name, rows: rows, into: out)
    guard let pair = pairs[name] else { return }
    let factors = try factors(of: name, pair)
    let inputs = pair.a.rowSize
    let rank = factors.rank
    var delta = [Float](repeating: 0, count: inputs)
    delta.withUnsafeMutableBufferPointer { delta in
      factors.a.withUnsafeBufferPointer { a in
        factors.b.withUnsafeBufferPointer { b in
          for (index, row) in rows.enumerated() {
            delta.update(repeating: 0)
            for k in 0..<rank {
              let weight = b[row &* rank &+ k]
              let start = k &* inputs
              for i in 0..<inputs { delta[i] += weight * a[start &+ i] }
            }
            let start = index &* inputs
            for i in 0..<inputs { out[start &+ i] += pair.scale * delta[i] }
          }
        }
      }
    }
  }

  package func release(_ name: String) {
    base.release(name)
    loaded.withLock { _ = $0.removeValue(forKey: name) }
  }

  private func factors(of name: String, _ pair: Pair) throws -> Factors {
    try loaded.withLock { loaded in
      if let found = loaded[name] { return found }
      let factors = Factors(a: try pair.source.readAll(pair.a), b: try pair.source.readAll(pair.b), rank: pair.a.rows)
      loaded[name] = factors
      pair.source.release(pair.a.name)
      pair.source.release(pair.b.name)
      return factors
    }
  }
}
