// SPDX-License-Identifier: Apache-2.0
import Kernels
import Shims
import WeightFile

/// The tensors of a weight file, ready for the kernels.
///
/// Raw tensors are used in place where the file allows it (`WeightFile.rawBytes`) and is not mostly compressed; all others are decoded once, in parallel, into one
/// block of memory; plain f16 tensors (norms, biases, tables) are widened to f32. Immutable once made: any number of threads may read it.
package final class WeightStore: @unchecked Sendable {
  package let file: WeightFile
  /// Anonymous memory this store holds: decoded and widened tensors.
  package let residentBytes: Int
  /// The most that loading held: `residentBytes` and the f16 tensors that were widened.
  package let loadingBytes: Int
  /// Bytes used in place from the file's mapping.
  package let mappedBytes: Int

  private let memory: PageBlock
  /// Where each tensor of the file is.
  private let data: [UnsafeRawPointer]

  /// Called on the loading thread between rounds of decoding; false stops with `RuntimeError.cancelled`.
  package typealias Progress = (_ doneBytes: Int, _ totalBytes: Int) -> Bool

  /// - Parameter limit: most bytes to take for decoded tensors; nil: what the process can have.
  /// - Throws: `weights` when a tensor cannot be decoded, `outOfMemory`, `cancelled` or `deadlineExceeded` when told to stop.
  package convenience init(
    _ file: WeightFile, pool: ThreadPool, kernels: KernelTable, limit: Int? = nil, stop: StopSignal = StopSignal(),
    progress: Progress? = nil
  ) throws(RuntimeError) {
    let plan = try LoadPlan(file)
    // A small file may say that it decodes to anything; touching more than there is would end the process.
    guard plan.bytes <= limit ?? ProcessMemory.limitBytes() else { throw .outOfMemory(bytes: plan.bytes) }
    let memory = try PageBlock(plan.bytes, .whole)
    try plan.decode(into: memory.base, pool: pool, stop: stop, progress: progress)
    file.releaseDecoders()
    plan.widen(in: memory.base, pool: pool, kernels: kernels)
    plan.forgetHalves(in: memory.base)
    file.forgetPages()
    self.init(plan, memory)
  }

  /// A store to build a model over for a dry run: every tensor has its place, but nothing is decoded, and those that would be read as zeros.
  package convenience init(planning file: WeightFile) throws(RuntimeError) {
    let plan = try LoadPlan(file)
    self.init(plan, try PageBlock(plan.bytes, .sparse))
  }

  private init(_ plan: LoadPlan, _ memory: PageBlock) {
    file = plan.file
    self.memory = memory
    residentBytes = plan.keptBytes
    loadingBytes = plan.bytes
    mappedBytes = plan.mappedBytes
    data = plan.tensors.map { $0.raw ?? UnsafeRawPointer(memory.base + $0.offset) }
  }

  /// All tensors, by their full names.
  package var root: Weights { Weights(store: self, prefix: "") }

  /// A tensor and where its values are. Plain f16 tensors are found as f32.
  func find(_ name: String) -> (record: TensorRecord, data: UnsafeRawPointer)? {
    guard let i = file.index(of: name) else { return nil }
    return (file.records[i], data[i])
  }

  /// Names and addresses of all packed matrices, in the file's order.
  package var matrices: [(name: String, data: UnsafeRawPointer)] {
    zip(file.records, data).compactMap { $0.encoding.isPacked ? ($0.name, $1) : nil }
  }
}
