// SPDX-License-Identifier: Apache-2.0
import Testing
import WeightFile

/// A weight file put together by FORMAT.md alone, every field open to a test. Checksums, sizes and offsets are right where they are
/// not set, so a test changes one thing and gets past all other checks.
struct FileDraft {
  struct Entry {
    var key: [UInt8]
    var type: UInt32
    var value: [UInt8]
    var keySize: UInt32?
    var valueSize: UInt64?

    init(_ key: String, _ type: UInt32, _ value: [UInt8]) { (self.key, self.type, self.value) = (Array(key.utf8), type, value) }
  }

  struct Tensor {
    var name: [UInt8]
    var encoding: UInt8
    var storage: UInt8
    var shape: [UInt64]
    var group: UInt32 = 0
    var byteCount: UInt64
    var frames: [Frame]
    var nameSize: UInt32?
    var rank: UInt8?
    var frameCount: UInt32?
  }

  struct Frame {
    var offset: UInt64
    var stored: UInt32
    var decoded: UInt32
    var codec: UInt32 = 0
    /// nil: that of the data it points to.
    var checksum: UInt64?
  }

  var magic: [UInt8] = [0x89, 0x46, 0x4F, 0x56, 0x45, 0x41, 0x0D, 0x0A]
  var version: UInt32 = 1
  var minReaderVersion: UInt32 = 1
  var data: [UInt8] = []  // from offset 128
  var metadata: [Entry] = []
  var tensors: [Tensor] = []
  var fileSize, metadataOffset, metadataSize, tableOffset, tableSize: UInt64?
  var headerChecksum, metadataChecksum, tableChecksum: UInt64?
  var metadataCount, tensorCount: UInt32?
  var metadataTail: [UInt8] = []
  var tableTail: [UInt8] = []
  var tail: [UInt8] = []

  /// Two tensors and two metadata entries. `near`: f32 [4, 4] in place at 128, checked in two pieces. `far`: f32 [4, 16] framed at 192,
  /// two frames of two rows (128 bytes each).
  static func valid() -> FileDraft {
    var draft = FileDraft()
    draft.data = (0..<320).map { UInt8(truncatingIfNeeded: $0 * 7 + 1) }
    draft.metadata = [Entry("general.name", 4, Array("tiny".utf8)), Entry("vision.layers", 2, le(UInt64(3)))]
    draft.tensors = [
      Tensor(
        name: Array("near".utf8), encoding: 0, storage: 0, shape: [4, 4], byteCount: 64,
        frames: [Frame(offset: 128, stored: 40, decoded: 40), Frame(offset: 168, stored: 24, decoded: 24)]),
      Tensor(
        name: Array("far".utf8), encoding: 0, storage: 1, shape: [4, 16], byteCount: 256,
        frames: [Frame(offset: 192, stored: 128, decoded: 128), Frame(offset: 320, stored: 128, decoded: 128)]),
    ]
    return draft
  }

  /// One in-place tensor called `t` over the data at 128; its fields are the test's business.
  static func single(encoding: UInt8, shape: [UInt64], group: UInt32 = 0, byteCount: UInt64) -> FileDraft {
    var draft = FileDraft()
    draft.data = [UInt8](repeating: 0, count: 64)
    draft.tensors = [
      Tensor(
        name: [0x74], encoding: encoding, storage: 0, shape: shape, group: group, byteCount: byteCount,
        frames: [Frame(offset: 128, stored: 64, decoded: 64)])
    ]
    return draft
  }

  func bytes() -> [UInt8] {
    var section: [UInt8] = []
    for e in metadata {
      section += le(e.keySize ?? UInt32(e.key.count)) + le(e.type) + le(e.valueSize ?? UInt64(e.value.count)) + e.key + e.value
    }
    section += metadataTail
    var table: [UInt8] = []
    for t in tensors {
      table += le(t.nameSize ?? UInt32(t.name.count)) + [t.encoding, t.storage, t.rank ?? UInt8(t.shape.count), 0]
      table += le(t.group) + le(t.frameCount ?? UInt32(t.frames.count)) + le(t.byteCount) + t.name
      for n in t.shape { table += le(n) }
      for f in t.frames {
        let checksum = f.checksum ?? stored(f).map(hash) ?? 0
        table += le(f.offset) + le(checksum) + le(f.stored) + le(f.decoded) + le(f.codec) + le(UInt32(0))
      }
    }
    table += tableTail

    let metadataStart = UInt64(128 + data.count)
    let tableStart = metadataStart + UInt64(section.count)
    var header = magic + le(version) + le(minReaderVersion)
    header += le(fileSize ?? tableStart + UInt64(table.count))
    header += le(metadataOffset ?? metadataStart) + le(metadataSize ?? UInt64(section.count)) + le(metadataChecksum ?? hash(section))
    header += le(tableOffset ?? tableStart) + le(tableSize ?? UInt64(table.count)) + le(tableChecksum ?? hash(table))
    header += le(metadataCount ?? UInt32(metadata.count)) + le(tensorCount ?? UInt32(tensors.count))
    header += [UInt8](repeating: 0, count: 40)
    header += le(headerChecksum ?? hash(header))
    return header + data + section + table + tail
  }

  /// The data a frame points to, if it points to data.
  private func stored(_ f: Frame) -> [UInt8]? {
    guard f.offset >= 128, f.offset < 1 << 40 else { return nil }
    let start = Int(f.offset) - 128
    guard start + Int(f.stored) <= data.count else { return nil }
    return Array(data[start..<start + Int(f.stored)])
  }
}

func le<T: FixedWidthInteger>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { [UInt8]($0) } }

func hash(_ bytes: [UInt8]) -> UInt64 { bytes.withUnsafeBytes { xxh64($0.baseAddress ?? UnsafeRawPointer(bitPattern: 8)!, $0.count) } }

func open(_ bytes: [UInt8]) throws -> WeightFile { try bytes.withUnsafeBytes { try WeightFile(bytes: $0, copy: true) } }

/// The name of an error's case and its sentence; nil for other errors.
func facts(_ error: any Error) -> (name: String, text: String)? {
  guard let error = error as? WeightFileError else { return nil }
  return (Mirror(reflecting: error).children.first?.label ?? "", error.description)
}

/// Expects `body` to throw the WeightFileError case called `name`, whose sentence is the file's name and then `text`.
func expectError(
  _ name: String, _ text: String, file: String = "memory", sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) {
  do {
    try body()
    Issue.record("nothing was thrown; expected \(name)", sourceLocation: sourceLocation)
  } catch {
    let found = facts(error)
    #expect(found?.name == name, sourceLocation: sourceLocation)
    #expect(found?.text == "\(file): \(text)", sourceLocation: sourceLocation)
  }
}

/// Expects that the draft cannot be opened.
func expectRejection(_ draft: FileDraft, _ name: String, _ text: String, sourceLocation: SourceLocation = #_sourceLocation) {
  expectError(name, text, sourceLocation: sourceLocation) { _ = try open(draft.bytes()) }
}
