// SPDX-License-Identifier: Apache-2.0
import Testing
import WeightFile

@Suite struct MetadataTests {
  /// Rejects the valid draft with `entry` in place of its first.
  private func reject(
    _ entry: FileDraft.Entry, _ name: String, _ text: String, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    var draft = FileDraft.valid()
    draft.metadata[0] = entry
    expectRejection(draft, name, text, sourceLocation: sourceLocation)
  }

  @Test func rejectsInvalidKeys() {
    var long = FileDraft.Entry("", 1, [0])
    long.key = [UInt8](repeating: 0x61, count: 1025)
    reject(long, "invalidMetadataKey", "invalid metadata key at offset 464")
    for key in [[], [0x61, 0x0A], [0x7F], [0x61, 0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xE2, 0x82]] as [[UInt8]] {
      var entry = FileDraft.Entry("", 1, [0])
      entry.key = key
      reject(entry, "invalidMetadataKey", "invalid metadata key at offset 464")
    }
  }

  @Test func rejectsUnsortedAndDuplicateKeys() {
    reject(.init("zoo", 1, [0]), "unsortedMetadataKey", "metadata key vision.layers is out of order")
    reject(.init("vision.layers", 1, [0]), "duplicateMetadataKey", "metadata key vision.layers appears twice")
  }

  @Test func rejectsUnknownTypes() {
    reject(.init("a", 0, [0]), "unknownMetadataType", "metadata a has unknown type 0")
    reject(.init("a", 10, [0]), "unknownMetadataType", "metadata a has unknown type 10")
  }

  @Test(
    arguments: [
      (1, []), (1, [2]), (1, [0, 0]),  // bool
      (2, [0, 0, 0, 0, 0, 0, 0]), (3, [0, 0, 0, 0, 0, 0, 0, 0, 0]),  // int, double
      (4, [0x61, 0x80]), (4, [0xE0, 0x80, 0x80]),  // string
      (6, [0, 0, 0, 0]), (7, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),  // ints, doubles
      (8, [1, 0, 0]), (8, [2, 0, 0, 0, 0x61]), (8, [1, 0, 0, 0, 0xFF]), (8, [255, 255, 255, 255, 0x61]),  // strings
      (9, [2, 0, 0, 0, 0x61]), (9, [0, 0, 0, 0, 9]),  // byte strings
    ] as [(UInt32, [UInt8])])
  func rejectsValuesThatAreNotOfTheirType(type: UInt32, value: [UInt8]) {
    reject(.init("a", type, value), "invalidMetadataValue", "metadata a has an invalid value at offset 465")
  }

  @Test func rejectsEntriesPastTheEndOfTheSection() {
    var entry = FileDraft.Entry("a", 5, [])
    entry.valueSize = .max
    reject(entry, "wrongSectionSize", "the metadata does not end where its entries do (offset 448)")
    entry.valueSize = 1000
    reject(entry, "wrongSectionSize", "the metadata does not end where its entries do (offset 465)")
    entry.valueSize = nil
    entry.keySize = .max
    reject(entry, "wrongSectionSize", "the metadata does not end where its entries do (offset 448)")
  }

  static let all: [(String, MetadataValue)] = [
    ("no", .bool(false)), ("yes", .bool(true)), ("int", .int(.min)), ("double", .double(-0.1)), ("string", .string("ein «Bild» 🖼\0\n")),
    ("empty", .string("")), ("bytes", .bytes([0, 255, 10])), ("ints", .ints([1, -2, .max])), ("doubles", .doubles([.infinity, 1e-300])),
    ("strings", .strings(["", "▁the", "é"])), ("none", .strings([])), ("pieces", .byteStrings([[0xFF], [], [0x61]])),
  ]

  private func written() throws -> Metadata {
    let folder = try TemporaryFolder()
    try write([], to: folder.file(), metadata: Self.all)
    return try WeightFile(path: folder.file()).metadata
  }

  @Test func everyTypeComesBack() throws {
    let m = try written()
    #expect(m.keys == Self.all.map(\.0).sorted())
    #expect(m.bool("no") == false)
    #expect(m.bool("yes") == true)
    #expect(m.int("int") == .min)
    #expect(m.double("double") == -0.1)
    #expect(m.string("string") == "ein «Bild» 🖼\0\n")
    #expect(m.string("empty") == "")
    #expect(m.bytes("bytes") == [0, 255, 10])
    #expect(m.ints("ints") == [1, -2, .max])
    #expect(m.doubles("doubles") == [.infinity, 1e-300])
    #expect(m.strings("strings") == ["", "▁the", "é"])
    #expect(m.strings("none") == [])
    #expect(m.byteStrings("pieces") == [[0xFF], [], [0x61]])
    #expect(m.byteStrings("strings") == [[], Array("▁the".utf8), Array("é".utf8)])
  }

  @Test func theLastValueSetCounts() throws {
    let folder = try TemporaryFolder()
    try write([], to: folder.file(), metadata: [("a", .int(1)), ("b", .int(2)), ("a", .string("x"))])
    let m = try WeightFile(path: folder.file()).metadata
    #expect(m.keys == ["a", "b"])
    #expect(m.string("a") == "x")
  }

  @Test func saysWhatIsMissingOrOfAnotherType() throws {
    let file = try open(FileDraft.valid().bytes())
    expectError("wrongMetadataType", "metadata general.name is a string, not an integer") {
      _ = try file.metadata.value("general.name", .int)
    }
    expectError("wrongMetadataType", "metadata vision.layers is an integer, not a list of strings") {
      _ = try file.metadata.value("vision.layers", .strings)
    }
    #expect(file.metadata.int("general.name") == nil)
    #expect(file.metadata.string("nothing") == nil)
    #expect(try file.metadata.value("nothing", .int) == nil)
    #expect(try file.metadata.value("vision.layers", .int) == .int(3))
  }
}
