// SPDX-License-Identifier: Apache-2.0

/// The directory of a ZIP file whose entries are stored without compression, as `torch.save` writes them (zip64 included).
struct ZipArchive {
  struct Entry {
    let name: String
    /// Range of the data in the file; within its bounds (checked).
    let offset: Int, count: Int
  }

  let entries: [Entry]

  static func isZip(_ file: MappedFile) -> Bool { file.integer(UInt32.self, at: 0) == 0x0403_4B50 }

  /// - Throws: `.malformed` for a directory that is truncated or points outside the file; `.unsupported` for compressed or encrypted entries.
  init(_ file: MappedFile) throws {
    func malformed(_ detail: String) -> ConversionError { .malformed(file: file.name, detail: "zip: \(detail)") }
    guard let end = Self.endOfDirectory(file) else { throw malformed("no end of central directory; the file may be cut off") }
    guard let shortCount = file.integer(UInt16.self, at: end + 10), let shortSize = file.integer(UInt32.self, at: end + 12),
      let shortOffset = file.integer(UInt32.self, at: end + 16)
    else { throw malformed("end of central directory is cut") }
    var count = UInt64(shortCount)
    var size = UInt64(shortSize)
    var offset = UInt64(shortOffset)
    if shortCount == .max || shortSize == .max || shortOffset == .max, let locator = file.integer(UInt32.self, at: end - 20),
      locator == 0x0706_4B50
    {
      guard let place = file.integer(UInt64.self, at: end - 12).flatMap({ Int(exactly: $0) }), place <= file.bytes.count,
        file.integer(UInt32.self, at: place) == 0x0606_4B50, let longCount = file.integer(UInt64.self, at: place + 32),
        let longSize = file.integer(UInt64.self, at: place + 40), let longOffset = file.integer(UInt64.self, at: place + 48)
      else { throw malformed("the zip64 end of central directory is not where it should be") }
      (count, size, offset) = (longCount, longSize, longOffset)
    }
    guard let directory = Int(exactly: offset), let length = Int(exactly: size), file.slice(directory, length) != nil,
      count <= UInt64(length / 46)
    else { throw malformed("the central directory lies outside the file") }

    var entries: [Entry] = []
    var names = Set<String>()
    var position = directory
    for _ in 0..<count {
      let (entry, next) = try Self.entry(file, at: position, end: directory + length)
      guard names.insert(entry.name).inserted else { throw malformed("entry \(entry.name) is there twice") }
      entries.append(entry)
      position = next
    }
    self.entries = entries
  }

  /// Offset of the end record, which precedes a comment of at most 65 535 bytes.
  private static func endOfDirectory(_ file: MappedFile) -> Int? {
    var position = file.bytes.count - 22
    let last = max(0, position - 65_535)
    while position >= last {
      if file.integer(UInt32.self, at: position) == 0x0605_4B50 { return position }
      position -= 1
    }
    return nil
  }

  private static func entry(_ file: MappedFile, at position: Int, end: Int) throws -> (Entry, next: Int) {
    func malformed(_ detail: String) -> ConversionError { .malformed(file: file.name, detail: "zip: \(detail)") }
    guard end - position >= 46, file.integer(UInt32.self, at: position) == 0x0201_4B50,
      let flags = file.integer(UInt16.self, at: position + 8), let method = file.integer(UInt16.self, at: position + 10),
      let stored = file.integer(UInt32.self, at: position + 20), let plain = file.integer(UInt32.self, at: position + 24),
      let nameLength = file.integer(UInt16.self, at: position + 28), let extraLength = file.integer(UInt16.self, at: position + 30),
      let commentLength = file.integer(UInt16.self, at: position + 32), let local = file.integer(UInt32.self, at: position + 42),
      let nameBytes = file.slice(position + 46, Int(nameLength)),
      let extra = file.slice(position + 46 + Int(nameLength), Int(extraLength)),
      let name = String(validating: nameBytes, as: UTF8.self)
    else { throw malformed("the central directory is damaged at offset \(position)") }
    guard flags & 1 == 0, method == 0, extra.count >= 0 else {
      throw ConversionError.unsupported("\(file.name): entry \(name) is compressed or encrypted; torch.save stores entries plainly")
    }
    var sizes = [UInt64(plain), UInt64(stored), UInt64(local)]
    var wide = [plain, stored, local].map { $0 == .max }
    // The zip64 extra field holds, in this order, those of the three values that exceed 32 bits.
    var place = position + 46 + Int(nameLength)
    let extraEnd = place + Int(extraLength)
    while wide.contains(true), place + 4 <= extraEnd, let kind = file.integer(UInt16.self, at: place),
      let length = file.integer(UInt16.self, at: place + 2)
    {
      var field = place + 4
      place = field + Int(length)
      guard kind == 1, place <= extraEnd else { continue }
      for i in 0..<3 where wide[i] {
        guard field + 8 <= place, let value = file.integer(UInt64.self, at: field) else { break }
        (sizes[i], wide[i]) = (value, false)
        field += 8
      }
    }
    guard !wide.contains(true), sizes[0] == sizes[1], let count = Int(exactly: sizes[0]), let header = Int(exactly: sizes[2]),
      header <= file.bytes.count, file.integer(UInt32.self, at: header) == 0x0403_4B50,
      let localName = file.integer(UInt16.self, at: header + 26), let localExtra = file.integer(UInt16.self, at: header + 28)
    else { throw malformed("entry \(name) has no proper header") }
    let offset = header + 30 + Int(localName) + Int(localExtra)
    guard file.slice(offset, count) != nil else { throw malformed("entry \(name) ends past the end of the file") }
    return (
      Entry(name: name, offset: offset, count: count), position + 46 + Int(nameLength) + Int(extraLength) + Int(commentLength)
    )
  }
}
