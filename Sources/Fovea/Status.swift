// SPDX-License-Identifier: Apache-2.0
import CFovea

@c @implementation
public func fovea_status_name(_ status: fovea_status) -> UnsafePointer<CChar>? {
  let name: StaticString =
    switch Int(status) {
    case FOVEA_OK: "FOVEA_OK"
    case FOVEA_ERROR_ARGUMENT: "FOVEA_ERROR_ARGUMENT"
    case FOVEA_ERROR_IO: "FOVEA_ERROR_IO"
    case FOVEA_ERROR_FORMAT: "FOVEA_ERROR_FORMAT"
    case FOVEA_ERROR_MEMORY: "FOVEA_ERROR_MEMORY"
    case FOVEA_ERROR_UNSUPPORTED: "FOVEA_ERROR_UNSUPPORTED"
    case FOVEA_ERROR_BUSY: "FOVEA_ERROR_BUSY"
    case FOVEA_ERROR_CANCELLED: "FOVEA_ERROR_CANCELLED"
    case FOVEA_ERROR_DEADLINE: "FOVEA_ERROR_DEADLINE"
    case FOVEA_ERROR_CONTEXT: "FOVEA_ERROR_CONTEXT"
    case FOVEA_ERROR_IMAGE: "FOVEA_ERROR_IMAGE"
    case FOVEA_ERROR_INTERNAL: "FOVEA_ERROR_INTERNAL"
    case FOVEA_ERROR_BUFFER: "FOVEA_ERROR_BUFFER"
    default: "FOVEA_ERROR_UNKNOWN"
    }
  return name.cString
}

@c @implementation
public func fovea_version() -> UnsafePointer<CChar>? { version.cString }

@c @implementation
public func fovea_version_number() -> Int32 { 1_00_00 }

/// FOVEA_VERSION; a test holds the two together.
private let version: StaticString = "1.0.0"

extension StaticString {
  /// The text as C sees it; a static string literal ends in NUL and lives as long as the library.
  fileprivate var cString: UnsafePointer<CChar> {
    UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self)
  }
}
