// SPDX-License-Identifier: Apache-2.0
import CFovea
import Families
import Shims

/// Writes an error message, NUL-terminated, to a buffer of `threadErrorTextCapacity` bytes. A longer one loses its middle: it begins with a
/// file's name, which may be long, and ends with the reason. Control and bidirectional characters are written as `\u{1b}`, since messages
/// quote files. Allocates nothing, so out-of-memory errors can be reported too.
func write(_ message: String, toErrorText text: UnsafeMutablePointer<CChar>) {
  let most = threadErrorTextCapacity - 1
  let mark: Unicode.Scalar = "…"
  let total = message.unicodeScalars.reduce(0) { $0 + shownWidth($1) }
  // A third of the buffer for the beginning.
  let head = total <= most ? most : most / 3
  var count = 0
  var rest = total
  var isCut = false
  for scalar in message.unicodeScalars {
    let width = shownWidth(scalar)
    if !isCut, count + width > head {
      isCut = true
      count += show(mark, at: text + count)
    }
    if !isCut || rest <= most - count { count += show(scalar, at: text + count) }
    rest -= width
  }
  text[count] = 0
}

/// Whether a character is written as an escape.
private func isHidden(_ scalar: Unicode.Scalar) -> Bool {
  switch scalar.value {
  case 0..<0x20, 0x7F...0x9F, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: true
  default: false
  }
}

/// Bytes that `show` writes.
private func shownWidth(_ scalar: Unicode.Scalar) -> Int {
  guard isHidden(scalar) else { return UTF8.width(scalar) }
  return scalar.value < 0x10 ? 5 : scalar.value < 0x100 ? 6 : 8
}

/// Writes one character and returns the number of its bytes.
private func show(_ scalar: Unicode.Scalar, at text: UnsafeMutablePointer<CChar>) -> Int {
  let width = shownWidth(scalar)
  let value = scalar.value
  func put(_ byte: UInt32, _ place: Int) { text[place] = CChar(bitPattern: UInt8(truncatingIfNeeded: byte)) }
  if isHidden(scalar) {
    let digits: StaticString = "0123456789abcdef"
    put(0x5C, 0)  // backslash
    put(UInt32(UInt8(ascii: "u")), 1)
    put(UInt32(UInt8(ascii: "{")), 2)
    for i in 0..<width - 4 { put(UInt32(digits.utf8Start[Int(value >> UInt32(4 * (width - 5 - i)) & 15)]), 3 + i) }
    put(UInt32(UInt8(ascii: "}")), width - 1)
  } else if width == 1 {
    put(value, 0)
  } else {
    // UTF-8: the lead byte's high bits encode the length; each further byte holds six bits of the value.
    put(0xF00 >> UInt32(width) & 0xFF | value >> UInt32(6 * (width - 1)), 0)
    for i in 1..<width { put(0x80 | value >> UInt32(6 * (width - 1 - i)) & 0x3F, i) }
  }
  return width
}

/// Runs the body of an entry point on a stack that is large enough. Returns the status of a failure, and makes its message the calling
/// thread's last error.
@inline(never)
func status(of body: () throws(FoveaError) -> Void) -> fovea_status {
  let text = threadErrorText()
  if stack_left() >= callStack { return status(of: body, text) }
  return withoutActuallyEscaping(body) { body in
    var call = CallElsewhere(body: body, text: text)
    return withUnsafeMutablePointer(to: &call) { call in
      var thread = pthread_t()
      guard thread_start(&thread, workStack, CallElsewhere.run, call) == 0 else {
        copy("No memory for the stack of a thread.", toErrorText: text)
        return Status.memory.rawValue
      }
      pthread_join(thread, nil)
      return call.pointee.status
    }
  }
}

@inline(never)
private func status(of body: () throws(FoveaError) -> Void, _ text: UnsafeMutablePointer<CChar>) -> fovea_status {
  let outer = memory_call_begin()
  defer { memory_call_end(outer) }
  do {
    try body()
    return Status.ok.rawValue
  } catch {
    write(error.message, toErrorText: text)
    return error.status.rawValue
  }
}

/// A call run on another thread while the calling thread waits.
private struct CallElsewhere {
  let body: () throws(FoveaError) -> Void
  let text: UnsafeMutablePointer<CChar>
  var status: fovea_status = Status.ok.rawValue

  static let run: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
    guard let call = argument?.assumingMemoryBound(to: CallElsewhere.self) else { return nil }
    call.pointee.status = Fovea.status(of: call.pointee.body, call.pointee.text)
    return nil
  }
}

private func copy(_ sentence: StaticString, toErrorText text: UnsafeMutablePointer<CChar>) {
  // A static string ends in NUL.
  memcpy(text, sentence.utf8Start, min(sentence.utf8CodeUnitCount + 1, threadErrorTextCapacity))
}

@c @implementation
public func fovea_last_error(_ session: OpaquePointer?) -> UnsafePointer<CChar>? {
  guard let session else { return UnsafePointer(threadErrorText()) }
  return Unmanaged<SessionHandle>.fromOpaque(UnsafeRawPointer(session))._withUnsafeGuaranteedRef { handle in
    // Only a look: a running call may be writing the text.
    let text = try? handle.session.exclusively(.look) { () throws(FoveaError) in UnsafePointer(handle.errorText) }
    return text ?? UnsafePointer(threadErrorText())
  }
}
