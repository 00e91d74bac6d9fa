// SPDX-License-Identifier: Apache-2.0
import Families
import Images
import Regions
import Runtime
import Tokenizers
import WeightFile

/// Outcome classes of every call; the numbers are those of `fovea_status` and never change.
package enum Status: Int32 {
  case ok = 0
  case argument = 1
  case io = 2
  case format = 3
  case memory = 4
  case unsupported = 5
  case busy = 6
  case cancelled = 7
  case deadline = 8
  case context = 9
  case image = 10
  case `internal` = 11
  case buffer = 12
}

extension FoveaError {
  /// The status that a host gets for the error.
  package var status: Status {
    switch self {
    case .argument, .imageMarks: .argument
    case .unsupported, .instructionSet: .unsupported
    case .buffer: .buffer
    case .context, .noRoom: .context
    case .busy: .busy
    case .refused: .cancelled
    case .outOfMemory, .overBudget, .overRoom: .memory
    case .noBuiltinModel: .io
    case .system: .format
    case .weights(let e): e.status
    case .runtime(let e): e.status
    case .image(let e): e.status
    case .tokenizer(let e): e.status
    case .region(let e): e.status
    case .embedding(let e), .embeddingFile(_, let e): e.status
    }
  }
}

extension WeightFileError {
  fileprivate var status: Status {
    switch self {
    case .system, .notRegularFile: .io
    case .outOfMemory: .memory
    default: .format
    }
  }
}

extension RuntimeError {
  fileprivate var status: Status {
    switch self {
    case .outOfMemory: .memory
    case .misalignedBlock: .argument
    case .cancelled: .cancelled
    case .deadlineExceeded: .deadline
    case .weights(let inner): inner.status
    default: .internal
    }
  }
}

extension ImageError {
  fileprivate var status: Status {
    switch self {
    case .cannotRead, .notAFile: .io
    case .outOfMemory, .overBudget: .memory
    case .stopped: .cancelled
    case .badArgument: .argument
    default: .image
    }
  }
}

extension TokenizerError {
  fileprivate var status: Status {
    switch self {
    case .invalidUTF8, .textTooLong: .argument
    case .outOfMemory: .memory
    default: .format
    }
  }
}

extension RegionError {
  fileprivate var status: Status {
    switch self {
    case .outOfMemory: .memory
    case .stopped(let error): error.status
    default: .argument
    }
  }
}

extension EmbeddingBytesError {
  fileprivate var status: Status {
    switch self {
    case .outOfMemory: .memory
    case .otherModel: .argument
    default: .format
    }
  }
}
