// SPDX-License-Identifier: Apache-2.0
import Testing
import WeightFile

/// Small files with a bit of everything, damaged in every way we can afford to try.
@Suite struct DamageTests {
  static func sampleFile(_ compression: WeightFileWriter.Compression) throws -> [UInt8] {
    let folder = try TemporaryFolder()
    try write(
      [
        Sample("a", [5], .f32), Sample("b", [3, 7], .f16), Sample("c", [3, 4], .f32x16), Sample("d", [17, 3], .f16x16),
        Sample("e", [2, 9], .q8x16, group: 32), Sample("f", [1, 40], .q4x16, group: 32), Sample("g", [2, 3, 1, 2, 2], .f16),
        Sample("h", [3, 17, 9], .q8x16, group: 32), Sample("i", [2, 33], .n4x16, group: 32), Sample("j", [1, 40], .q5x16, group: 32),
      ], to: folder.file(), compression: compression, metadata: MetadataTests.all)
    return try bytes(of: folder.file())
  }

  /// Does with a file all that can be done; throws what it throws.
  static func exercise(_ file: WeightFile) throws {
    for key in file.metadata.keys { _ = file.metadata.value(key) }
    var first: (any Error)?
    for record in file.records where record.byteCount < 1 << 24 {
      #expect(file.record(record.name)?.byteCount == record.byteCount)
      do { _ = try decoded(file, record) } catch { first = first ?? error }
      if let raw = file.rawBytes(record), let layout = record.layout, layout.inputs < 1 << 20 {
        var row = [Float](repeating: 0, count: layout.inputs)
        layout.readRow(layout.outputs - 1, from: raw + (record.matrixCount - 1) * layout.byteCount, into: &row)
      }
    }
    try file.verify()
    if let first { throw first }
  }

  @Test(arguments: [WeightFileWriter.Compression.none, .zstd])
  func everyTruncationIsRejected(compression: WeightFileWriter.Compression) throws {
    let whole = try Self.sampleFile(compression)
    try Self.exercise(open(whole))
    for count in 0..<whole.count {
      #expect(throws: WeightFileError.self) { _ = try open(Array(whole[..<count])) }
    }
  }

  @Test(arguments: [WeightFileWriter.Compression.none, .zstd])
  func everyFlippedBitIsFound(compression: WeightFileWriter.Compression) throws {
    var file = try Self.sampleFile(compression)
    var random = SeededGenerator(20_000)  // printed by being here
    for _ in 0..<20_000 {
      let (at, bit) = (Int.random(in: 0..<file.count, using: &random), UInt8(1) << UInt8.random(in: 0..<8, using: &random))
      file[at] ^= bit
      #expect(throws: WeightFileError.self) { try Self.exercise(open(file)) }
      file[at] ^= bit
    }
  }

  /// The same with the checksums of header and sections made right again, so that the damage reaches the parsers. Some of it is
  /// harmless (a letter of a name); none may do more than throw.
  @Test(arguments: [WeightFileWriter.Compression.none, .zstd])
  func damageWithRightChecksumsDoesNoHarm(compression: WeightFileWriter.Compression) throws {
    let whole = try Self.sampleFile(compression)
    var random = SeededGenerator(7)
    var thrown = 0
    for _ in 0..<20_000 {
      var file = whole
      // Any byte after the magic; the last 700 or so bytes are the tensor table.
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let at = Bool.random(using: &random) ? Int.random(in: 8..<120, using: &random) : Int.random(in: 120..<file.count, using: &random)
        file[at] = Bool.random(using: &random) ? UInt8.random(in: 0...255, using: &random) : [0, 1, 0x7F, 0x80, 0xFF].randomElement(using: &random)!
      }
      seal(&file)
      do { try Self.exercise(open(file)) } catch {
        thrown += 1
        #expect(error is WeightFileError)
      }
    }
    #expect(thrown > 5_000)
  }

  /// Puts the right checksums of both sections (where the header has them inside the file) and of the header.
  private func seal(_ file: inout [UInt8]) {
    func u64(_ at: Int) -> Int { Int(truncatingIfNeeded: (0..<8).reduce(UInt64(0)) { $0 | UInt64(file[at + $1]) << (8 * UInt64($1)) }) }
    for at in [24, 48] {
      let (offset, size) = (u64(at), u64(at + 8))
      guard offset >= 0, size >= 0, offset <= file.count, size <= file.count - offset else { continue }
      file.replaceSubrange(at + 16..<at + 24, with: le(hash(Array(file[offset..<offset + size]))))
    }
    file.replaceSubrange(120..<128, with: le(hash(Array(file[0..<120]))))
  }
}
