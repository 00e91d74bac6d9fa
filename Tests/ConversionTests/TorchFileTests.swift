// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Conversion
import Testing

@Suite struct TorchFileTests {
  /// What `views.bin` was made of: 0, 1/8 … 23/8 as [4, 6].
  private let base = (0..<24).map { Float($0) / 8 }

  private func values(_ name: String) throws -> [Float] {
    let file = try TorchFile(path: Fixture.path("views.bin"))
    return try file.readAll(try #require(file.info(name)))
  }

  @Test func readsViewsOfOneStorage() throws {
    #expect(try values("whole") == base)
    #expect(try values("transposed") == (0..<6).flatMap { column in (0..<4).map { base[$0 * 6 + column] } })
    #expect(try values("part") == [6, 8, 10, 12, 14, 16].map { base[$0] })
    #expect(try values("column") == [2, 8, 14, 20].map { base[$0] })
    var cube: [Float] = []
    for k in 0..<4 { for i in 0..<2 { for j in 0..<3 { cube.append(Float(i * 12 + j * 4 + k)) } } }
    #expect(try values("cube") == cube)
    #expect(try values("parameter") == Array(base[..<6]))
    #expect(try values("scalar") == [2.5])
  }

  @Test func readsRowsOfAStridedView() throws {
    let file = try TorchFile(path: Fixture.path("views.bin"))
    var rows = [Float](repeating: 0, count: 8)
    try rows.withUnsafeMutableBufferPointer { try file.read("transposed", rows: 3..<5, into: try #require($0.baseAddress)) }
    #expect(rows == [3, 9, 15, 21, 4, 10, 16, 22].map { base[$0] })
  }

  @Test(arguments: ["half", "bfloat", "double"]) func readsFloats(_ name: String) throws { #expect(try values(name) == base) }

  @Test(arguments: ["int", "short", "char", "byte"]) func readsIntegers(_ name: String) throws {
    #expect(try values(name) == base.map { $0.rounded(.towardZero) })
  }

  @Test func readsBooleans() throws { #expect(try values("bool") == base.map { $0 > 1 ? 1 : 0 }) }

  @Test func passesOverWhatIsNoTensor() throws {
    let file = try TorchFile(path: Fixture.path("views.bin"))
    #expect(file.info("step") == nil && file.info("name") == nil && file.tensors.count == 15)
  }

  @Test func findsTheDictionaryInsideAnotherAndReadsProtocol4() throws {
    let file = try TorchFile(path: Fixture.path("nested.bin"))
    #expect(try file.readAll(try #require(file.info("weight"))) == base)
  }

  @Test func saysWhatToDoWithTheOldForm() {
    expectFailure("legacy.bin", "save it again") { _ = try TorchFile(path: Fixture.path("legacy.bin")) }
  }

  @Test func everyTruncationIsAnError() throws {
    let folder = try TemporaryFolder()
    let whole = try MappedFile(path: Fixture.path("nested.bin")).contents
    for count in 0..<whole.count {
      let path = try folder.write("cut.bin", Array(whole[..<count]))
      #expect(throws: ConversionError.self) { try TorchFile(path: path) }
    }
  }

  @Test func everyFlippedByteIsReadOrRefused() throws {
    let folder = try TemporaryFolder()
    let whole = try MappedFile(path: Fixture.path("nested.bin")).contents
    var (read, refused) = (0, 0)
    for index in whole.indices {
      for flip: UInt8 in [0x01, 0x80, 0xFF] {
        var bytes = whole
        bytes[index] ^= flip
        let path = try folder.write("flipped.bin", bytes)
        // Values inside tensors may well differ.
        guard let file = try? TorchFile(path: path) else {
          refused += 1
          continue
        }
        for info in file.tensors { _ = try? file.readAll(info) }
        read += 1
      }
    }
    #expect(read > 0 && refused > 0 && read + refused == 3 * whole.count)
  }
}
