// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing
import WeightFile

struct OutputFileTests {
  private func write(_ text: String, to path: String) throws {
    let file = try OutputFile(path: path)
    try file.write(Array(text.utf8), at: 0)
    try file.commit()
  }

  @Test func linksAreFollowedAndStay() throws {
    let folder = try TemporaryFolder()
    #expect(symlink("target", folder.file("link")) == 0)
    for text in ["first", "second"] {
      try write(text, to: folder.file("link"))
      #expect(try String(contentsOfFile: folder.file("target"), encoding: .utf8) == text)
      #expect(try folder.contents() == ["link", "target"])
      #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder.file("link")) == "target")
    }
  }

  @Test func aLoopOfLinksIsRefused() throws {
    let folder = try TemporaryFolder()
    #expect(symlink("b", folder.file("a")) == 0 && symlink("a", folder.file("b")) == 0)
    #expect(throws: WeightFileError.self) { try OutputFile(path: folder.file("a")) }
  }

  @Test func aPipeGetsTheContentAndIsNotReplaced() throws {
    let folder = try TemporaryFolder()
    #expect(mkfifo(folder.file("pipe"), 0o600) == 0)
    let reader = open(folder.file("pipe"), O_RDONLY | O_NONBLOCK)
    defer { close(reader) }
    try write("content", to: folder.file("pipe"))
    var bytes = [UInt8](repeating: 0, count: 100)
    let count = read(reader, &bytes, bytes.count)
    #expect(String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self) == "content")
    #expect(try folder.contents() == ["pipe"])
  }

  @Test func aFullDeviceIsAnErrorOfWriting() throws {
    let error = try #require(throws: WeightFileError.self) { try write("content", to: "/dev/full") }
    #expect(error.description.contains("/dev/full") && error.description.contains("write"))
    #expect(throws: WeightFileError.self) { try OutputFile(path: "/tmp") }
  }
}
