// SPDX-License-Identifier: Apache-2.0
import Testing
import WeightFile

@Suite struct HeaderTests {
  @Test func acceptsTheDraftTheOtherTestsChange() throws {
    let file = try open(FileDraft.valid().bytes())
    try file.verify()
    #expect(file.records.map(\.name) == ["near", "far"])
    #expect(file.metadata.string("general.name") == "tiny")
    #expect(file.metadata.int("vision.layers") == 3)
    let data = FileDraft.valid().data
    #expect(try decoded(file, file.requireRecord("near")) == Array(data[0..<64]))
    #expect(try decoded(file, file.requireRecord("far")) == Array(data[64..<320]))
  }

  @Test func acceptsAFileOfNothing() throws {
    let file = try open(FileDraft().bytes())
    try file.verify()
    #expect(file.records.isEmpty)
    #expect(file.metadata.keys.isEmpty)
    #expect(file.byteCount == 128)
  }

  @Test func acceptsANewerVersionThatThisReaderMayRead() throws {
    var draft = FileDraft.valid()
    draft.version = 9
    #expect(try open(draft.bytes()).formatVersion == 9)
  }

  @Test func rejectsAFileShorterThanAHeader() {
    expectError("truncated", "truncated: 127 bytes of 128") { _ = try open(Array(FileDraft().bytes().prefix(127))) }
    expectError("truncated", "empty: 0 bytes of 128") { _ = try open([]) }
  }

  @Test func rejectsWrongMagic() {
    var draft = FileDraft.valid()
    draft.magic = Array("GGUF\u{3}\0\0\0".utf8)
    expectRejection(draft, "wrongMagic", "not a Fovea weight file: it is a GGUF model; make a weight file with fovea convert")
  }

  @Test func rejectsWrongHeaderChecksum() {
    var draft = FileDraft.valid()
    draft.headerChecksum = 1
    expectRejection(draft, "wrongHeaderChecksum", "the header is damaged (wrong checksum)")
  }

  @Test func rejectsAFileForNewerReaders() {
    var draft = FileDraft.valid()
    (draft.version, draft.minReaderVersion) = (5, 4)
    draft.headerChecksum = 1  // a later version may sum its header in another way
    expectRejection(draft, "newerVersion", "needs a reader of format version 4; this one reads up to 3")
  }

  @Test func rejectsImpossibleVersions() {
    var draft = FileDraft.valid()
    draft.minReaderVersion = 0
    expectRejection(draft, "invalidVersion", "impossible format version 1 (readable from 0)")
    (draft.version, draft.minReaderVersion) = (0, 1)
    expectRejection(draft, "invalidVersion", "impossible format version 0 (readable from 1)")
  }

  @Test func rejectsATruncatedFile() {
    var draft = FileDraft.valid()
    let size = draft.bytes().count
    draft.fileSize = UInt64(size) + 1
    expectRejection(draft, "truncated", "truncated: \(size) bytes of \(size + 1)")
    draft.fileSize = .max
    expectRejection(draft, "truncated", "truncated: \(size) bytes of \(Int.max)")
  }

  @Test func rejectsTrailingBytes() {
    var draft = FileDraft.valid()
    let size = draft.bytes().count
    draft.tail = [0]
    expectRejection(draft, "trailingBytes", "\(size + 1) bytes, but the header says \(size)")
  }

  @Test func rejectsSectionsOutOfBounds() {
    func misplaced(_ section: String, _ offset: UInt64, _ size: UInt64, _ change: (inout FileDraft) -> Void) {
      var draft = FileDraft.valid()
      change(&draft)
      expectRejection(
        draft, "sectionOutOfBounds",
        "the \(section) (\(size) bytes at offset \(offset)) does not lie where the file has room for it")
    }
    let all = UInt64(FileDraft.valid().bytes().count)
    let size: UInt64 = 16 + 12 + 4 + 16 + 13 + 8  // of the metadata: two entries
    let table = all - 448 - size
    misplaced("metadata", 127, size) { $0.metadataOffset = 127 }
    misplaced("metadata", all, size) { $0.metadataOffset = all }
    misplaced("metadata", 448, .max) { $0.metadataSize = .max }
    misplaced("metadata", .max - 3, size) { $0.metadataOffset = .max - 3 }
    misplaced("tensor table", 448, table) { $0.tableOffset = 448 }  // on top of the metadata
    misplaced("tensor table", all, table) { $0.tableOffset = all }
    misplaced("tensor table", 448 + size, .max) { $0.tableSize = .max }
    misplaced("tensor table", 448 + size, table - 1) { $0.tableSize = table - 1 }  // leaves a byte after it
  }

  @Test func rejectsSectionsTooLarge() throws {
    // A sparse file: 300 MiB that take no room.
    let folder = try TemporaryFolder()
    let limit = UInt64(256 << 20)
    for isTable in [false, true] {
      var draft = FileDraft()
      draft.fileSize = 300 << 20
      draft.metadataSize = isTable ? 0 : limit + 1
      draft.tableOffset = isTable ? (300 << 20) - limit - 1 : 300 << 20
      draft.tableSize = isTable ? limit + 1 : 0
      try createSparse(folder.file(), draft.bytes(), size: 300 << 20)
      expectError(
        "sectionTooLarge", "the \(isTable ? "tensor table" : "metadata") has \(limit + 1) bytes; at most \(limit) are allowed",
        file: folder.file()
      ) { _ = try WeightFile(path: folder.file()) }
    }
  }

  @Test func rejectsWrongSectionChecksums() {
    var draft = FileDraft.valid()
    draft.metadataChecksum = 5
    expectRejection(draft, "wrongSectionChecksum", "the metadata at offset 448 is damaged (wrong checksum)")
    draft = .valid()
    draft.tableChecksum = 5
    expectRejection(draft, "wrongSectionChecksum", "the tensor table at offset 517 is damaged (wrong checksum)")
  }

  @Test func rejectsAbsurdCountsWithoutAllocating() {
    var draft = FileDraft.valid()
    let end = draft.bytes().count
    draft.tensorCount = 1 << 20 | 1
    expectRejection(draft, "tooManyTensors", "1048577 tensors; at most 1048576 are allowed")
    draft.tensorCount = 1 << 20
    expectRejection(draft, "wrongSectionSize", "the tensor table does not end where its entries do (offset \(end))")
    draft = .valid()
    draft.metadataCount = .max
    expectRejection(draft, "wrongSectionSize", "the metadata does not end where its entries do (offset 517)")
    draft = .valid()
    draft.tensors[1].frameCount = .max
    expectRejection(draft, "wrongSectionSize", "the tensor table does not end where its entries do (offset \(end))")
  }

  @Test func rejectsBytesLeftOverInSections() {
    var draft = FileDraft.valid()
    draft.metadataTail = [0]
    expectRejection(draft, "wrongSectionSize", "the metadata does not end where its entries do (offset 517)")
    draft = .valid()
    let end = draft.bytes().count
    draft.tableTail = [0]
    expectRejection(draft, "wrongSectionSize", "the tensor table does not end where its entries do (offset \(end))")
  }
}
