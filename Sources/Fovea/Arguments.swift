// SPDX-License-Identifier: Apache-2.0
import Families
import Runtime
import Shims
import Tokenizers

/// The object behind a handle.
func object<Object: AnyObject>(_ handle: OpaquePointer?, _ name: StaticString) throws(FoveaError) -> Object {
  guard let handle else { throw .argument("\(name)", "NULL was given.") }
  return Unmanaged<Object>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue()
}

/// A handle that owns a reference to `object`; `release` takes it back. Throws when memory ran out since the call began: parts of the
/// object may lie in the reserve, which only a running call may use.
func handle(owning object: AnyObject) throws(FoveaError) -> OpaquePointer {
  try requireMemoryOfCall()
  return OpaquePointer(Unmanaged.passRetained(object).toOpaque())
}

/// Throws where the deadline has passed, the call was cancelled, or memory has run out.
func check(_ stop: StopSignal) throws(FoveaError) {
  do throws(RuntimeError) { try stop.check() } catch { throw FoveaError(error) }
}

/// Throws when memory ran out since this thread's call began.
func requireMemoryOfCall() throws(FoveaError) {
  do throws(RuntimeError) { try requireMemory() } catch { throw FoveaError(error) }
}

func release<Object: AnyObject>(_ handle: OpaquePointer?, as _: Object.Type) {
  guard let handle else { return }
  Unmanaged<Object>.fromOpaque(UnsafeRawPointer(handle)).release()
}

/// A pointer that must not be NULL.
func required<Pointer>(_ pointer: Pointer?, _ name: StaticString) throws(FoveaError) -> Pointer {
  guard let pointer else { throw .argument("\(name)", "NULL was given.") }
  return pointer
}

/// An empty array with capacity `count`; throws where memory is short.
func list<Element>(of _: Element.Type, count: Int) throws(FoveaError) -> [Element] {
  do throws(RuntimeError) { try requireRoom(count, of: MemoryLayout<Element>.stride) } catch { throw FoveaError(error) }
  var list: [Element] = []
  list.reserveCapacity(count)
  return list
}

/// A copy of a caller's text.
func copied(_ text: UnsafeBufferPointer<UInt8>) throws(FoveaError) -> [UInt8] {
  do throws(RuntimeError) { try requireRoom(text.count) } catch { throw FoveaError(error) }
  return Array(text)
}

/// Most bytes of a text.
private let longestText = Tokenizer.textLimit

func requireLength(_ count: Int, _ name: StaticString) throws(FoveaError) {
  guard count <= longestText else { throw .argument("\(name)", "has \(count) bytes, must have at most \(longestText).") }
}

/// A NUL-terminated UTF-8 text.
func text(_ pointer: UnsafePointer<CChar>?, _ name: StaticString) throws(FoveaError) -> UnsafeBufferPointer<UInt8> {
  let bytes = UnsafeRawPointer(try required(pointer, name))
  let text = UnsafeBufferPointer(start: bytes.assumingMemoryBound(to: UInt8.self), count: strlen(try required(pointer, name)))
  try requireLength(text.count, name)
  try requireUTF8(text, name)
  return text
}

/// A list that has at most `most` elements.
func buffer<Element>(
  _ pointer: UnsafePointer<Element>?, count: Int, most: Int, _ name: StaticString
) throws(FoveaError) -> UnsafeBufferPointer<Element> {
  let found = try buffer(pointer, count: count, name)
  guard found.count <= most else { throw .argument("\(name)", "are \(found.count), must be at most \(most), as many as there are tokens.") }
  return found
}

/// Bytes given as a pointer and a count; NULL only with 0.
func buffer<Element>(
  _ pointer: UnsafePointer<Element>?, count: Int, _ name: StaticString
) throws(FoveaError) -> UnsafeBufferPointer<Element> {
  // A C size above Int.max arrives as a negative number.
  guard count >= 0, count <= Int.max / MemoryLayout<Element>.stride else { throw .argument("\(name)", "its size makes no sense.") }
  guard pointer != nil || count == 0 else { throw .argument("\(name)", "NULL was given with a size of \(count).") }
  return UnsafeBufferPointer(start: pointer, count: count)
}

func requireUTF8(_ bytes: UnsafeBufferPointer<UInt8>, _ name: StaticString) throws(FoveaError) {
  if let offset = invalidUTF8Offset(bytes) { throw .argument("\(name)", "invalid UTF-8 at byte \(offset).") }
}

/// Offset of the first byte that is not part of well-formed UTF-8 (Unicode 15, table 3-7); nil when all is well.
func invalidUTF8Offset(_ bytes: UnsafeBufferPointer<UInt8>) -> Int? {
  var i = 0
  while i < bytes.count {
    let first = bytes[i]
    let length: Int
    // Bounds of the second byte rule out overlong forms, surrogates and what lies beyond U+10FFFF.
    var low: UInt8 = 0x80
    var high: UInt8 = 0xBF
    switch first {
    case 0x00...0x7F: length = 1
    case 0xC2...0xDF: length = 2
    case 0xE0...0xEF:
      length = 3
      if first == 0xE0 { low = 0xA0 }
      if first == 0xED { high = 0x9F }
    case 0xF0...0xF4:
      length = 4
      if first == 0xF0 { low = 0x90 }
      if first == 0xF4 { high = 0x8F }
    default: return i
    }
    guard length <= bytes.count - i else { return i }
    if length > 1, bytes[i + 1] < low || bytes[i + 1] > high { return i }
    for j in 2..<max(length, 2) where bytes[i + j] & 0xC0 != 0x80 { return i }
    i += length
  }
  return nil
}

/// Gives variable-sized results by the two-call rule: nothing is written where `into` is NULL; a capacity that is too small
/// is FOVEA_ERROR_BUFFER.
func deliver(
  _ values: [Int32], into: UnsafeMutablePointer<Int32>?, capacity: Int, _ name: StaticString
) throws(FoveaError) {
  guard let into else { return }
  // A capacity above Int.max arrives as a negative number: unlimited.
  guard capacity < 0 || capacity >= values.count else {
    throw .buffer("\(name)", capacity: capacity, needed: values.count, unit: "")
  }
  for (i, value) in values.enumerated() { into[i] = value }
}

/// The same for a text, which gets a NUL beyond its `count` bytes.
func deliver(
  text: [UInt8], into: UnsafeMutablePointer<CChar>?, capacity: Int, _ name: StaticString
) throws(FoveaError) {
  guard let into else { return }
  guard capacity < 0 || capacity > text.count else {
    throw .buffer("\(name)", capacity: capacity, needed: text.count + 1, unit: " bytes")
  }
  copy(text, to: into)
}

/// Writes a text and a NUL.
func copy(_ text: [UInt8], to memory: UnsafeMutablePointer<CChar>) {
  text.withUnsafeBytes { bytes in
    if let base = bytes.baseAddress { memcpy(memory, base, bytes.count) }
  }
  memory[text.count] = 0
}

/// A path: a NUL-terminated, non-empty text of any bytes but NUL.
func requiredPath(_ pointer: UnsafePointer<CChar>?, _ name: StaticString) throws(FoveaError) -> UnsafePointer<CChar> {
  let path = try required(pointer, name)
  guard path[0] != 0 else { throw .argument("\(name)", "is empty.") }
  return path
}

func requireZero(_ reserved: Int32, _ name: StaticString = "options.reserved") throws(FoveaError) {
  if reserved != 0 { throw .argument("\(name)", "is \(reserved), must be 0.") }
}

/// A count, not negative.
func count(_ value: Int32, _ name: StaticString) throws(FoveaError) -> Int {
  guard value >= 0 else { throw .argument("\(name)", "is \(value), must not be negative.") }
  return Int(value)
}

/// A time limit in seconds; 0: none.
func deadline(_ seconds: Double) throws(FoveaError) -> Double? {
  guard seconds >= 0 else { throw .argument("options.deadline_seconds", "is \(seconds), must not be negative.") }
  return seconds == 0 ? nil : seconds
}

/// Clamps, so that a host never sees a wrapped number; larger values do not occur in practice.
func int32(_ value: Int) -> Int32 { Int32(clamping: value) }
