// SPDX-License-Identifier: Apache-2.0
import Images
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

/// What a host is told: a status and one sentence naming the file, tensor, offset or argument.
package struct FoveaError: Error {
  package let status: Status
  package let message: String

  package init(_ status: Status, _ message: String) {
    self.status = status
    self.message = message
  }

  package init(_ e: WeightFileError) {
    switch e {
    case .system, .notRegularFile: self.init(.io, e.description)
    case .outOfMemory: self.init(.memory, e.description)
    default: self.init(.format, e.description)
    }
  }

  package init(_ e: EmbeddingBytesError) {
    switch e {
    case .outOfMemory: self.init(.memory, "embedding: \(e.description)")
    case .otherModel: self.init(.argument, "embedding: \(e.description)")
    default: self.init(.format, "embedding: \(e.description)")
    }
  }

  package init(_ e: RuntimeError) {
    switch e {
    case .outOfMemory: self.init(.memory, e.description)
    case .cancelled: self.init(.cancelled, e.description)
    case .deadlineExceeded: self.init(.deadline, e.description)
    case .weights(let inner): self.init(inner)
    default: self.init(.internal, e.description)
    }
  }

  package init(_ e: ImageError) {
    switch e {
    case .cannotRead, .notAFile: self.init(.io, e.description)
    case .outOfMemory, .overBudget: self.init(.memory, e.description)
    case .stopped: self.init(.cancelled, e.description)
    case .badArgument: self.init(.argument, e.description)
    default: self.init(.image, e.description)
    }
  }

  /// An error of work that `stop` could end: whether it was the deadline or somebody's wish.
  package init(_ e: ImageError, _ stop: StopSignal) {
    if case .stopped = e {
      do throws(RuntimeError) { try stop.check() } catch {
        self.init(error)
        return
      }
    }
    self.init(e)
  }

  package init(_ e: TokenizerError) {
    switch e {
    case .invalidUTF8, .textTooLong: self.init(.argument, e.description)
    default: self.init(.format, e.description)
    }
  }
}
