// SPDX-License-Identifier: Apache-2.0

/// The first 128 bytes of a file (FORMAT.md §3).
struct Header {
  var version = Format.oldestVersion
  var minReaderVersion = Format.oldestVersion
  var fileSize = 0
  var metadata = Section()
  var tensorTable = Section()
  var metadataCount: UInt32 = 0
  var tensorCount: UInt32 = 0

  struct Section {
    var offset = 0
    var size = 0
    var checksum: UInt64 = 0
    var range: Range<Int> { offset..<offset + size }
  }

  init() {}

  /// Reads and checks the header of `source`: after this both sections lie inside the file, in order; their checksums are not checked yet.
  init(_ source: ByteSource) throws(WeightFileError) {
    let file = source.name
    guard let bytes = OwnedBytes(Format.headerSize) else { throw .outOfMemory(file: file, bytes: Format.headerSize) }
    try source.read(at: 0, count: Format.headerSize, into: bytes.base)
    let base = UnsafeRawPointer(bytes.base)
    func u32(_ at: Int) -> UInt32 { UInt32(littleEndian: base.loadUnaligned(fromByteOffset: at, as: UInt32.self)) }
    func u64(_ at: Int) -> UInt64 { UInt64(littleEndian: base.loadUnaligned(fromByteOffset: at, as: UInt64.self)) }

    guard u64(0) == Format.magic else {
      throw .wrongMagic(file: file, found: ForeignFile(UnsafeRawBufferPointer(start: base, count: Format.headerSize))?.insteadOfWeightFile)
    }
    version = u32(8)
    minReaderVersion = u32(12)
    // Before the checksum, so that a file of a later version says so even if that version sums its header differently.
    guard minReaderVersion <= Format.version else {
      throw .newerVersion(file: file, needed: Int(minReaderVersion), supported: Int(Format.version))
    }
    guard u64(120) == xxh64(base, 120) else { throw .wrongHeaderChecksum(file: file) }
    guard minReaderVersion >= 1, version >= minReaderVersion else {
      throw .invalidVersion(file: file, version: Int(version), minReaderVersion: Int(minReaderVersion))
    }
    let size = u64(16)
    guard size <= UInt64(source.count) else {
      throw .truncated(file: file, expected: Int(clamping: size), found: source.count)
    }
    fileSize = Int(size)
    guard fileSize == source.count else { throw .trailingBytes(file: file, expected: fileSize, found: source.count) }

    func section(_ at: Int, _ kind: WeightFileError.Section, from low: Int) throws(WeightFileError) -> Section {
      let (offset, size) = (u64(at), u64(at + 8))
      let (end, overflow) = offset.addingReportingOverflow(size)
      guard !overflow, offset >= UInt64(low), end <= UInt64(fileSize) else {
        throw .sectionOutOfBounds(file: file, section: kind, offset: offset, size: size)
      }
      guard size <= UInt64(Format.largestSection) else {
        throw .sectionTooLarge(file: file, section: kind, size: Int(size), limit: Format.largestSection)
      }
      return Section(offset: Int(offset), size: Int(size), checksum: u64(at + 16))
    }
    metadata = try section(24, .metadata, from: Format.headerSize)
    tensorTable = try section(48, .tensorTable, from: metadata.offset + metadata.size)
    guard tensorTable.offset + tensorTable.size == fileSize else {
      throw .sectionOutOfBounds(
        file: file, section: .tensorTable, offset: UInt64(tensorTable.offset), size: UInt64(tensorTable.size))
    }
    metadataCount = u32(72)
    tensorCount = u32(76)
    guard tensorCount <= UInt32(Format.mostTensors) else {
      throw .tooManyTensors(file: file, count: Int(tensorCount), limit: Format.mostTensors)
    }
  }

  /// The 128 bytes, checksum included.
  func encoded() -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(u64: Format.magic)
    bytes.append(u32: version)
    bytes.append(u32: minReaderVersion)
    bytes.append(u64: UInt64(fileSize))
    for section in [metadata, tensorTable] {
      bytes.append(u64: UInt64(section.offset))
      bytes.append(u64: UInt64(section.size))
      bytes.append(u64: section.checksum)
    }
    bytes.append(u32: metadataCount)
    bytes.append(u32: tensorCount)
    while bytes.count < 120 { bytes.append(0) }
    let checksum = bytes.withUnsafeBytes { b in b.baseAddress.map { xxh64($0, 120) } ?? 0 }
    bytes.append(u64: checksum)
    return bytes
  }
}

extension ByteSource {
  /// A private copy of a section, its checksum checked: what is parsed cannot change under the parser.
  func section(_ section: Header.Section, _ kind: WeightFileError.Section) throws(WeightFileError) -> OwnedBytes {
    guard let bytes = OwnedBytes(section.size) else { throw .outOfMemory(file: name, bytes: section.size) }
    try read(at: section.offset, count: section.size, into: bytes.base)
    guard xxh64(bytes.base, section.size) == section.checksum else {
      throw .wrongSectionChecksum(file: name, section: kind, offset: section.offset)
    }
    return bytes
  }
}
