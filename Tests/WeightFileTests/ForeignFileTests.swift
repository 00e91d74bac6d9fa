// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing
import WeightFile

/// Files that are no weight files are named for what they are.
struct ForeignFileTests {
  @Test(
    arguments: [
      ("GGUF", Array("GGUF".utf8)), ("zip", [0x50, 0x4B, 3, 4]), ("pickle", [0x80, 2]), ("HTML", Array("\n<!DOCTYPE HTML>".utf8)),
      ("Git LFS", Array("version https://git-lfs.github.com/spec/v1\n".utf8)), ("safetensors", [9, 0, 0, 0, 0, 0, 0, 0, 0x7B, 0x22]),
      ("picture", [0xFF, 0xD8, 0xFF]), ("not a Fovea weight file", [1, 2, 3]),
    ] as [(String, [UInt8])])
  func isNamed(_ kind: String, _ bytes: [UInt8]) throws {
    // With and without a whole header's length behind it.
    let lengths = kind.hasPrefix("not") ? [200] : [0, 200]
    for length in lengths {
      let all = bytes + [UInt8](repeating: 0, count: length)
      let folder = try TemporaryFolder()
      try Data(all).write(to: URL(fileURLWithPath: folder.file()))
      let error = try #require(throws: WeightFileError.self) { try WeightFile(path: folder.file()) }
      #expect(error.description.contains(kind) && error.description.contains(folder.file()))
    }
  }

  @Test func pathsAreAnyBytes() throws {
    let folder = try TemporaryFolder()
    let writer = try WeightFileWriter(path: folder.file())
    try writer.finish()
    let odd = (folder.path + "/").utf8CString.dropLast() + [-1, 0]
    #expect(rename(folder.file(), Array(odd)) == 0)
    #expect(try WeightFile(path: Array(odd)).records.isEmpty)
  }
}
