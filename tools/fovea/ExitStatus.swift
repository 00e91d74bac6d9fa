// SPDX-License-Identifier: Apache-2.0
import CFovea
import CheckpointFiles
import Conversion
import Families
import Images
import WeightFile

/// The program's exit statuses, after sysexits.h: one table for all commands.
enum ExitStatus: Int32, CaseIterable {
  case usage = 64, data = 65, noInput = 66, unsupported = 69, fault = 70, memory = 71, cannotCreate = 73, output = 74, late = 75
  case interrupted = 130

  var meaning: String {
    switch self {
    case .usage: "wrong usage or argument"
    case .data: "damaged weight file, checkpoint or image"
    case .noInput: "file not readable"
    case .unsupported: "not supported"
    case .fault: "internal fault"
    case .memory: "out of memory"
    case .cannotCreate: "file cannot be created"
    case .output: "writing failed"
    case .late: "out of time"
    case .interrupted: "interrupted"
    }
  }

  static var list: String { "0 done, " + allCases.map { "\($0.rawValue) \($0.meaning)" }.joined(separator: ", ") }

  init(_ status: fovea_status) {
    self =
      switch Int(status) {
      case FOVEA_ERROR_ARGUMENT, FOVEA_ERROR_CONTEXT: .usage
      case FOVEA_ERROR_FORMAT, FOVEA_ERROR_IMAGE: .data
      case FOVEA_ERROR_IO: .noInput
      case FOVEA_ERROR_UNSUPPORTED: .unsupported
      case FOVEA_ERROR_MEMORY: .memory
      case FOVEA_ERROR_DEADLINE: .late
      case FOVEA_ERROR_CANCELLED: .interrupted
      default: .fault
      }
  }

  init(_ error: WeightFileError) {
    self =
      switch error {
      case .system(_, let operation, _):
        switch "\(operation)" {
        case "create", "rename": .cannotCreate
        case "write", "sync": .output
        default: .noInput
        }
      case .notRegularFile: .noInput
      case .outOfMemory: .memory
      default: .data
      }
  }

  init(_ error: ConversionError) {
    self =
      switch error {
      case .badOption: .usage
      case .cannotRead, .missingFile: .noInput
      case .unsupported: .unsupported
      default: .data
      }
  }
}

/// A failure of the command: one line on standard error, and the exit status.
struct CommandFailure: Error, CustomStringConvertible {
  let status: ExitStatus
  let description: String

  init(_ status: ExitStatus, _ description: String) { (self.status, self.description) = (status, description) }

  /// Nil for errors other than failed work: usage errors, requests for help.
  init?(_ error: any Error) {
    switch error {
    case let error as CommandFailure: self = error
    case let error as LibraryError: self.init(ExitStatus(error.status), error.description)
    case let error as ConversionError: self.init(ExitStatus(error), error.description)
    case let error as WeightFileError: self.init(ExitStatus(error), error.description)
    case let error as FoveaError: self.init(ExitStatus(error.status.rawValue), error.message)
    case let error as ImageError: self.init(LibraryError(error))
    default: return nil
    }
  }
}

extension LibraryError {
  init(_ error: ImageError) {
    let status =
      switch error {
      case .cannotRead, .notAFile: FOVEA_ERROR_IO
      case .outOfMemory: FOVEA_ERROR_MEMORY
      case .badArgument: FOVEA_ERROR_ARGUMENT
      case .stopped: FOVEA_ERROR_CANCELLED
      default: FOVEA_ERROR_IMAGE
      }
    self.init(status: fovea_status(status), description: error.description)
  }

  /// Whether only one picture may be the cause, so that others can still be tried.
  var concernsOnePicture: Bool {
    [FOVEA_ERROR_IO, FOVEA_ERROR_IMAGE, FOVEA_ERROR_MEMORY, FOVEA_ERROR_DEADLINE, FOVEA_ERROR_CONTEXT].contains(Int(status))
  }
}
