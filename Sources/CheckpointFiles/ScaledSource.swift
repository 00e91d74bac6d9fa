// SPDX-License-Identifier: Apache-2.0

/// A source that multiplies some tensors by a constant while they are read.
package final class ScaledSource: TensorSource {
  private let base: any TensorSource
  /// By name.
  private let factors: [String: Float]

  package init(_ base: any TensorSource, factors: [String: Float]) {
    self.base = base
    self.factors = factors
  }

  package var tensors: [TensorInfo] { base.tensors }
  package func info(_ name: String) -> TensorInfo? { base.info(name) }
  package func release(_ name: String) { base.release(name) }

  package func read(_ name: String, rows: Range<Int>, into out: UnsafeMutablePointer<Float>) throws {
    try base.read(name, rows: rows, into: out)
    guard let factor = factors[name], let info = base.info(name) else { return }
    for i in 0..<rows.count * info.rowSize { out[i] *= factor }
  }
}
