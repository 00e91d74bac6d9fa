// SPDX-License-Identifier: Apache-2.0
import Kernels
import Shims
import WeightFile

/// The tensors of a weight file, ready for the kernels.
///
/// Raw tensors are used in place from the file's mapping; compressed ones are decoded once, in parallel, into one block of memory;
/// plain f16 tensors (norms, biases, tables) are widened to f32. Immutable once made: any number of threads may read it.
package final class WeightStore: @unchecked Sendable {
  package let file: WeightFile
  /// Anonymous memory this store holds: decoded and widened tensors.
  package let residentBytes: Int
  /// Bytes used in place from the file's mapping.
  package let mappedBytes: Int

  private let memory: PageBlock
  private let records: [TensorRecord]
  private let data: [UnsafeRawPointer]
  private let numbers: [[UInt8]: Int]

  /// Called on the loading thread between rounds of decoding; false stops with `RuntimeError.cancelled`.
  package typealias Progress = (_ doneBytes: Int, _ totalBytes: Int) -> Bool

  /// - Parameter inPlace: false: raw tensors are copied to memory too, their checksums checked. For hosts that cannot rule out that
  ///   the file is cut while it is open, which kills a process that reads the mapping.
  /// - Parameter limit: most bytes to take for decoded tensors; nil: what the process can have.
  /// - Throws: `weights` when a tensor cannot be decoded, `outOfMemory`, `cancelled` or `deadlineExceeded` when told to stop.
  package init(
    _ file: WeightFile, pool: ThreadPool, kernels: KernelTable, inPlace: Bool = true, limit: Int? = nil, stop: StopSignal = StopSignal(),
    progress: Progress? = nil
  ) throws(RuntimeError) {
    let plan = try LoadPlan(file, inPlace: inPlace)
    // A small file may say that it decodes to anything; touching more than there is would end the process.
    guard plan.bytes <= limit ?? ProcessMemory.limitBytes() else { throw .outOfMemory(bytes: plan.bytes) }
    let memory = try PageBlock(plan.bytes, .whole)
    try plan.decode(into: memory.base, pool: pool, stop: stop, progress: progress)
    plan.widen(in: memory.base, pool: pool, kernels: kernels)

    self.file = file
    self.memory = memory
    records = file.records
    residentBytes = plan.keptBytes
    mappedBytes = plan.mappedBytes
    data = plan.tensors.map { $0.raw ?? UnsafeRawPointer(memory.base + $0.offset) }
    plan.forgetHalves(in: memory.base)
    var numbers: [[UInt8]: Int] = [:]
    for (i, record) in file.records.enumerated() { numbers[Array(record.name.utf8)] = i }
    self.numbers = numbers
  }

  /// All tensors, by their full names.
  package var root: Weights { Weights(store: self, prefix: "") }

  /// A tensor and where its values are. Plain f16 tensors are found as f32.
  func find(_ name: String) -> (record: TensorRecord, data: UnsafeRawPointer)? {
    guard let i = numbers[Array(name.utf8)] else { return nil }
    return (records[i], data[i])
  }

  /// Names and addresses of all packed matrices, in the file's order.
  package var matrices: [(name: String, data: UnsafeRawPointer)] {
    zip(records, data).compactMap { $0.encoding.isPacked ? ($0.name, $1) : nil }
  }
}
