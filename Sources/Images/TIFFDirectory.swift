// SPDX-License-Identifier: Apache-2.0

/// The first directory of a TIFF block (Exif), read as Pillow reads it: how it handles types, counts and damage decides which pictures are rotated.
struct TIFFDirectory {
  private let block: Reader

  /// What the directory says about the orientation.
  enum Finding {
    /// There is no such entry.
    case missing
    /// Its number; 1 where the value is no integer.
    case number(Int)
  }

  /// Nil: no TIFF block.
  init?(_ bytes: Reader) {
    guard bytes.count >= 8, let order = bytes.u16(0), let version = bytes.u16(2) else { return nil }
    switch (order, version) {
    case (0x4D4D, 0x002A), (0x4D4D, 0x2A00), (0x4D4D, 0x002B): block = bytes
    case (0x4949, 0x2A00), (0x4949, 0x002A): block = bytes.littleEndian
    default: return nil
    }
  }

  /// The first usable entry of tag 0x0112. An entry whose values lie outside the block ends the directory, unless an earlier one has
  /// the same tag.
  func orientation() -> Finding {
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 1 << 10) { seen in
      seen.initialize(repeating: 0)
      return orientation(seen)
    }
  }

  /// - Parameter seen: a bit for each tag.
  private func orientation(_ seen: UnsafeMutableBufferPointer<UInt64>) -> Finding {
    guard let directory = block.u32(4), let count = block.u16(directory) else { return .missing }
    var outOfLine = 0
    for i in 0..<count {
      let entry = directory + 2 + 12 * i
      guard block.part(entry, 12) != nil, let tag = block.u16(entry), let type = block.u16(entry + 2),
        let values = block.u32(entry + 4)
      else { break }
      guard seen[tag >> 6] >> UInt64(tag & 63) & 1 == 0, let unit = TIFFDirectory.unit(type) else { continue }
      let size = values * unit
      var place = entry + 8
      if size > 4 {
        outOfLine += size
        if outOfLine > block.count { continue }
        guard let offset = block.u32(entry + 8), block.part(offset, size) != nil else { break }
        place = offset
      }
      if size == 0 { continue }
      if tag == 0x0112 { return .number(number(place, type) ?? 1) }
      seen[tag >> 6] |= 1 << UInt64(tag & 63)
    }
    return .missing
  }

  /// Bytes of one value.
  private static func unit(_ type: Int) -> Int? {
    switch type {
    case 1, 2, 6, 7: return 1
    case 3, 8: return 2
    case 4, 9, 11, 13: return 4
    case 5, 10, 12, 16: return 8
    default: return nil
    }
  }

  /// The first value; nil where it is no integer.
  private func number(_ place: Int, _ type: Int) -> Int? {
    switch type {
    case 3, 8: return block.u16(place)
    case 4, 9, 13: return block.u32(place)
    case 6: return block.byte(place).map { Int($0) }
    case 5, 10:
      guard let over = block.u32(place), let under = block.u32(place + 4), under != 0 else { return nil }
      // Of signed ones both may be negative.
      let (a, b) = type == 5 ? (over, under) : (signed(over), signed(under))
      return a % b == 0 ? a / b : nil
    case 11: return block.u32(place).flatMap { Int(exactly: Float(bitPattern: UInt32(truncatingIfNeeded: $0))) }
    case 12: return block.u64(place).flatMap { Int(exactly: Double(bitPattern: $0)) }
    case 16: return block.u64(place).flatMap { Int(exactly: $0) }
    default: return nil
    }
  }

  private func signed(_ value: Int) -> Int { Int(Int32(truncatingIfNeeded: value)) }
}

/// What an Exif segment begins with.
let exifMark: StaticString = "Exif\0\0"

/// Bounds-checked reads from untrusted bytes; numbers are big-endian unless told otherwise.
struct Reader {
  private let bytes: UnsafeRawBufferPointer
  private var isLittle = false

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  var count: Int { bytes.count }
  var littleEndian: Reader {
    var result = self
    result.isLittle = true
    return result
  }

  func byte(_ offset: Int) -> UInt8? {
    offset >= 0 && offset < bytes.count ? bytes[offset] : nil
  }

  func u16(_ offset: Int) -> Int? {
    guard let a = byte(offset), let b = byte(offset + 1) else { return nil }
    return isLittle ? Int(b) << 8 | Int(a) : Int(a) << 8 | Int(b)
  }

  func u32(_ offset: Int) -> Int? {
    guard let a = u16(offset), let b = u16(offset + 2) else { return nil }
    return isLittle ? b << 16 | a : a << 16 | b
  }

  func u64(_ offset: Int) -> UInt64? {
    guard let a = u32(offset), let b = u32(offset + 4) else { return nil }
    return isLittle ? UInt64(b) << 32 | UInt64(a) : UInt64(a) << 32 | UInt64(b)
  }

  func part(_ offset: Int, _ count: Int) -> Reader? {
    guard offset >= 0, count >= 0, offset <= bytes.count, count <= bytes.count - offset else { return nil }
    return Reader(UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count]))
  }

  func begins(with text: StaticString) -> Bool {
    guard text.utf8CodeUnitCount <= bytes.count else { return false }
    for i in 0..<text.utf8CodeUnitCount where text.utf8Start[i] != bytes[i] { return false }
    return true
  }

  /// The bytes behind `text`, where they begin with it.
  func without(_ text: StaticString) -> Reader {
    begins(with: text) ? part(text.utf8CodeUnitCount, count - text.utf8CodeUnitCount) ?? self : self
  }

  func copy(to memory: UnsafeMutableRawPointer) {
    if let start = bytes.baseAddress { memory.copyMemory(from: start, byteCount: bytes.count) }
  }

  func withBytes<Result>(_ body: (UnsafePointer<UInt8>?) -> Result) -> Result {
    body(bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
  }
}
