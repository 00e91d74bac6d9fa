// SPDX-License-Identifier: Apache-2.0
import CFovea
import Shims

@c @implementation
public func fovea_status_name(_ status: fovea_status) -> UnsafePointer<CChar>? {
  let name: StaticString =
    switch Int(status) {
    case FOVEA_OK: "FOVEA_OK"
    case FOVEA_ERROR_ARGUMENT: "FOVEA_ERROR_ARGUMENT"
    default: "FOVEA_ERROR_UNKNOWN"
    }
  return UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)
}

@c @implementation
public func fovea_version() -> UnsafePointer<CChar>? {
  let text: StaticString = "1.0.0"
  return UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
}
@c @implementation
public func fovea_version_number() -> Int32 { 10000 }

@c @implementation
public func fovea_last_error(_ session: OpaquePointer?) -> UnsafePointer<CChar>? { UnsafePointer(threadErrorText()) }
