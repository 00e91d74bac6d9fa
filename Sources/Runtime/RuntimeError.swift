// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// What can go wrong while a model is loaded or run.
package enum RuntimeError: Error {
  /// The memory limit, or the machine, has no room for `bytes` more; 0: it is not known how many.
  case outOfMemory(bytes: Int)
  /// A host's allocator returned a block at an address that is no multiple of `HostMemory.alignment`.
  case misalignedBlock
  /// `StopSignal.cancel()` was called.
  case cancelled
  /// The deadline of the `StopSignal` has passed.
  case deadlineExceeded
  /// The weight file is broken or does not fit the model.
  case weights(WeightFileError)
  /// An operation got a tensor of another size than it takes.
  case shape(operation: StaticString, expected: Int, found: Int)
  /// The KV cache holds `capacity` positions and more were asked for.
  case contextFull(capacity: Int)
  /// A token id that the embedding table does not have.
  case tokenOutOfRange(id: Int, count: Int)

  package var description: String {
    switch self {
    case .outOfMemory(0): "out of memory"
    case .outOfMemory(let bytes): "out of memory: \(bytes) bytes more were needed"
    case .misalignedBlock: "options.allocate: returned a block that is not aligned to \(HostMemory.alignment) bytes"
    case .cancelled: "cancelled"
    case .deadlineExceeded: "the deadline has passed"
    case .weights(let error): error.description
    case .shape(let operation, let expected, let found): "\(operation): expected a size of \(expected), found \(found)"
    case .contextFull(let capacity): "the context is full: it holds \(capacity) positions"
    case .tokenOutOfRange(let id, let count): "token id \(id) is outside the vocabulary of \(count)"
    }
  }
}
