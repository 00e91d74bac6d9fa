// SPDX-License-Identifier: Apache-2.0

/// Bounds-checked reads of little-endian numbers from untrusted bytes: nil, without moving, where fewer bytes are left than asked for.
struct ByteReader {
  let base: UnsafeRawPointer
  let count: Int
  private(set) var position: Int

  init(_ base: UnsafeRawPointer, count: Int) {
    self.base = base
    self.count = count
    position = 0
  }

  var remaining: Int { count - position }

  /// The next `n` bytes.
  mutating func bytes(_ n: Int) -> UnsafeRawBufferPointer? {
    guard n >= 0, n <= remaining else { return nil }
    defer { position += n }
    return UnsafeRawBufferPointer(start: base + position, count: n)
  }

  mutating func u8() -> UInt8? { bytes(1)?.load(as: UInt8.self) }
  mutating func u32() -> UInt32? { bytes(4).map { UInt32(littleEndian: $0.loadUnaligned(as: UInt32.self)) } }
  mutating func u64() -> UInt64? { bytes(8).map { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) } }
}

extension Array<UInt8> {
  mutating func append(u32 value: UInt32) { for i in 0..<4 { append(UInt8(truncatingIfNeeded: value >> (8 * UInt32(i)))) } }
  mutating func append(u64 value: UInt64) { for i in 0..<8 { append(UInt8(truncatingIfNeeded: value >> (8 * UInt64(i)))) } }
}

/// Whether the bytes are well-formed UTF-8 (Unicode 15 table 3-7: no overlong forms, no surrogates, nothing above U+10FFFF).
func isUTF8(_ bytes: UnsafeRawBufferPointer) -> Bool {
  var i = 0
  while i < bytes.count {
    let first = bytes[i]
    i += 1
    if first < 0x80 { continue }
    let following: Int
    var range: ClosedRange<UInt8> = 0x80...0xBF
    switch first {
    case 0xC2...0xDF: following = 1
    case 0xE0: (following, range) = (2, 0xA0...0xBF)
    case 0xE1...0xEC, 0xEE, 0xEF: following = 2
    case 0xED: (following, range) = (2, 0x80...0x9F)
    case 0xF0: (following, range) = (3, 0x90...0xBF)
    case 0xF1...0xF3: following = 3
    case 0xF4: (following, range) = (3, 0x80...0x8F)
    default: return false
    }
    guard following <= bytes.count - i else { return false }
    for _ in 0..<following {
      guard range.contains(bytes[i]) else { return false }
      range = 0x80...0xBF
      i += 1
    }
  }
  return true
}

/// Whether the bytes may name a tensor or a metadata key: 1 … 1024 bytes of UTF-8 without control characters.
func isName(_ bytes: UnsafeRawBufferPointer) -> Bool {
  guard bytes.count >= 1, bytes.count <= Format.largestName, isUTF8(bytes) else { return false }
  for byte in bytes where byte < 0x20 || byte == 0x7F { return false }
  return true
}

func text(_ utf8: UnsafeRawBufferPointer) -> String {
  String(decoding: utf8, as: UTF8.self)
}

/// The order of names: byte by byte. (Swift's own `<` and `==` on strings would ask for Unicode tables.)
func compareBytes(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
  let common = min(a.count, b.count)
  var i = 0
  while i < common {
    if a[i] != b[i] { return a[i] < b[i] ? -1 : 1 }
    i += 1
  }
  return a.count == b.count ? 0 : a.count < b.count ? -1 : 1
}

func compareNames(_ a: String, _ b: String) -> Int {
  var (a, b) = (a, b)
  return a.withUTF8 { a in b.withUTF8 { b in compareBytes(UnsafeRawBufferPointer(a), UnsafeRawBufferPointer(b)) } }
}
