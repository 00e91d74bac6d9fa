// SPDX-License-Identifier: Apache-2.0
import CFovea
import Families
import Shims

/// Writes an error's sentence, NUL-terminated, to a text of `threadErrorTextCapacity` bytes; a longer one is cut between
/// characters. Allocates nothing, so running out of memory can be reported too.
func write(_ message: String, toErrorText text: UnsafeMutablePointer<CChar>) {
  let most = threadErrorTextCapacity - 1
  var count = 0
  var end = 0  // of the last whole character
  for byte in message.utf8 {
    if byte & 0xC0 != 0x80 { end = count }
    if count == most { break }
    // A NUL would hide what follows it.
    text[count] = CChar(bitPattern: byte == 0 ? UInt8(ascii: " ") : byte)
    count += 1
  }
  text[count < most ? count : end] = 0
}

/// Runs the body of an entry point. A failure becomes its status, and its sentence the calling thread's last error.
@inline(never)
func status(of body: () throws(FoveaError) -> Void) -> fovea_status {
  do {
    try body()
    return Status.ok.rawValue
  } catch {
    write(error.message, toErrorText: threadErrorText())
    return error.status.rawValue
  }
}

@c @implementation
public func fovea_last_error(_ session: OpaquePointer?) -> UnsafePointer<CChar>? {
  guard let session else { return UnsafePointer(threadErrorText()) }
  return Unmanaged<SessionHandle>.fromOpaque(UnsafeRawPointer(session))._withUnsafeGuaranteedRef { handle in
    // The text may be written while another call runs.
    let text = try? handle.session.exclusively { () throws(FoveaError) in UnsafePointer(handle.errorText) }
    return text ?? UnsafePointer(threadErrorText())
  }
}
