// SPDX-License-Identifier: Apache-2.0
import CZstd
import Foundation
import Testing
import WeightFile

/// What opening does not read: frames, gaps, and files that change or fail.
@Suite struct DataTests {
  private func zstd(_ bytes: [UInt8]) -> [UInt8] {
    var out = [UInt8](repeating: 0, count: ZSTD_compressBound(bytes.count))
    let size = ZSTD_compress(&out, out.count, bytes, bytes.count, 1)
    return Array(out.prefix(size))
  }

  /// A file whose tensor `t`, f32 [64, 16] (4096 bytes), is one frame with these stored bytes.
  private func framed(_ stored: [UInt8], codec: UInt32) throws -> WeightFile {
    var draft = FileDraft()
    draft.data = stored
    draft.tensors = [
      .init(
        name: [0x74], encoding: 0, storage: 1, shape: [64, 16], byteCount: 4096,
        frames: [.init(offset: 128, stored: UInt32(stored.count), decoded: 4096, codec: codec)])
    ]
    return try open(draft.bytes())
  }

  @Test func decodesWhatTheFormatSays() throws {
    let values = (0..<4096).map { UInt8(truncatingIfNeeded: $0 / 3) }
    func planes(_ n: Int) -> [UInt8] { (0..<n).flatMap { plane in stride(from: plane, to: 4096, by: n).map { values[$0] } } }
    for (stored, codec) in [(values, 0), (zstd(values), 1), (zstd(planes(2)), 2), (zstd(planes(4)), 3)] as [([UInt8], UInt32)] {
      let file = try framed(stored, codec: codec)
      try file.verify()
      #expect(try decoded(file, file.requireRecord("t")) == values)
    }
  }

  @Test func rejectsWrongFrameChecksums() throws {
    var draft = FileDraft.valid()
    draft.tensors[1].frames[1].checksum = 1
    let file = try open(draft.bytes())
    let record = try #require(file.record("far"))
    expectError("wrongFrameChecksum", "tensor far, frame 1 at offset 320 is damaged (wrong checksum)") { try file.verify() }
    expectError("wrongFrameChecksum", "tensor far, frame 1 at offset 320 is damaged (wrong checksum)") { _ = try decoded(file, record) }
    draft = .valid()
    draft.tensors[0].frames[0].checksum = 1
    expectError("wrongFrameChecksum", "tensor near, frame 0 at offset 128 is damaged (wrong checksum)") {
      try open(draft.bytes()).verify()
    }
  }

  @Test func rejectsFramesThatCannotBeDecompressed() throws {
    let text = "tensor t, frame 0 at offset 128 cannot be decompressed"
    let whole = [UInt8](repeating: 7, count: 4096)
    for stored in [
      [1, 2, 3], zstd(Array(whole.dropLast())), zstd(whole + [7]), Array(zstd(whole).dropLast()), zstd(whole) + [0], zstd([]),
    ] {
      for codec in [1, 2, 3] as [UInt32] {
        let file = try framed(stored, codec: codec)
        expectError("undecodableFrame", text) { try file.verify() }
        expectError("undecodableFrame", text) { _ = try decoded(file, try file.requireRecord("t")) }
      }
    }
  }

  @Test func rejectsNonzeroPadding() throws {
    for gap in [1, 70_000] {
      var draft = FileDraft.valid()
      draft.data += [UInt8](repeating: 0, count: gap)
      try open(draft.bytes()).verify()
      draft.data[320 + gap - 1] = 9
      expectError("nonzeroPadding", "damaged at offset \(448 + gap - 1) (padding is not zero)") { try open(draft.bytes()).verify() }
    }
  }

  @Test func rejectsFrameNumbersThatDoNotExist() throws {
    let file = try open(FileDraft.valid().bytes())
    let record = try #require(file.record("far"))
    var room = [UInt8](repeating: 0, count: 256)
    for index in [-1, 2, .max] {
      expectError("noSuchFrame", "tensor far has 2 frames, no frame \(index)") { try file.decodeFrame(record, index: index, into: &room) }
    }
    #expect(try file.frameBytes(record, index: 1) == 128..<256)
  }

  @Test func namesATensorThatIsMissing() throws {
    let file = try open(FileDraft.valid().bytes())
    #expect(try file.requireRecord("near").byteCount == 64)
    expectError("missingTensor", "tensor vision.class is missing") { _ = try file.requireRecord("vision.class") }
  }

  @Test func memoryIsBorrowedOrCopied() throws {
    let bytes = FileDraft.valid().bytes()
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count + 1, alignment: 64)
    defer { memory.deallocate() }
    // Borrowed bytes that are not aligned are read: no tensor is used in place.
    for (shift, copy) in [(0, false), (0, true), (1, false), (1, true)] {
      let place = UnsafeMutableRawBufferPointer(rebasing: memory[shift..<shift + bytes.count])
      place.copyBytes(from: bytes)
      let file = try WeightFile(bytes: UnsafeRawBufferPointer(place), copy: copy, name: "lent")
      try file.verify()
      let record = try file.requireRecord("near")
      let raw = file.rawBytes(record)
      #expect((raw == UnsafeRawPointer(place.baseAddress! + 128)) == (!copy && shift == 0))
      #expect((raw == nil) == (!copy && shift == 1))
      #expect(raw.map { Int(bitPattern: $0) % 64 } ?? 0 == 0)
      #expect(try decoded(file, record) == Array(bytes[128..<128 + record.byteCount]))
      if copy {
        place.initializeMemory(as: UInt8.self, repeating: 0)
        try file.verify()
      }
    }
  }

  @Test func refusesWhatIsNotAFile() throws {
    let folder = try TemporaryFolder()
    expectError("system", "cannot open: No such file or directory", file: folder.file("none")) { _ = try WeightFile(path: folder.file("none")) }
    let advice = "a folder, not a regular file; `fovea convert` makes a weight file of a checkpoint's folder"
    expectError("notRegularFile", advice, file: folder.path) { _ = try WeightFile(path: folder.path) }
    // A pipe nobody writes to must not make us wait.
    #expect(mkfifo(folder.file("pipe"), 0o600) == 0)
    expectError("notRegularFile", "not a regular file", file: folder.file("pipe")) { _ = try WeightFile(path: folder.file("pipe")) }
    try Data().write(to: URL(fileURLWithPath: folder.file("empty")))
    expectError("truncated", "empty: 0 bytes of 128", file: folder.file("empty")) { _ = try WeightFile(path: folder.file("empty")) }
  }

  @Test func aFileCutShortAfterOpeningIsAnErrorWhereFramesAreDecoded() throws {
    let folder = try TemporaryFolder()
    try write([Sample("a", [64, 2000], .f32), Sample("b", [64, 2000], .f32)], to: folder.file(), compression: .zstd)
    let file = try WeightFile(path: folder.file())
    try file.verify()
    #expect(truncate(folder.file(), 200_000) == 0)
    #expect(throws: Never.self) { _ = try? decoded(file, file.records[0]) }
    expectError("truncated", "truncated: 200000 bytes of \(try end(of: file.records[1], file))", file: folder.file()) {
      _ = try decoded(file, file.records[1])
    }
    #expect(throws: WeightFileError.self) { try file.verify() }
  }

  /// Where the last frame of a tensor ends when the tensors before it are stored without gaps.
  private func end(of record: TensorRecord, _ file: WeightFile) throws -> Int {
    var end = 128
    for r in file.records {
      end += r.storedByteCount
      if r.name == record.name { return end }
    }
    return end
  }

  @Test func framesDecodeFromSeveralThreadsAtOnce() throws {
    let folder = try TemporaryFolder()
    let sample = Sample("t", [1500, 2000], .f16x16, seed: 8)
    try write([sample], to: folder.file(), compression: .zstd)
    let file = try WeightFile(path: folder.file())
    let record = try file.requireRecord("t")
    #expect(record.isCompressed)
    let count = file.frameCount(record)
    #expect(count >= 5)
    for _ in 0..<5 {
      let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: record.byteCount, alignment: 64)
      defer { memory.deallocate() }
      memory.initializeMemory(as: UInt8.self, repeating: 0xEE)
      nonisolated(unsafe) let base = memory.baseAddress!
      let failures = Failures()
      DispatchQueue.concurrentPerform(iterations: count) { i in
        do { try file.decodeFrame(record, index: i, into: base) } catch { failures.add() }
      }
      #expect(failures.count == 0)
      #expect(sample.bytes.elementsEqual(memory))
    }
  }

  private final class Failures: @unchecked Sendable {
    private let lock = NSLock()
    private(set) var count = 0
    func add() { lock.withLock { count += 1 } }
  }

  @Test func aFileThatIsNotMappedMayBeCut() throws {
    let folder = try TemporaryFolder()
    let samples = [Sample("raw", [300, 1000], .f32, seed: 3), Sample("small", [5], .f32)]
    try write(samples, to: folder.file(), compression: .none)
    let file = try WeightFile(path: folder.file(), maps: false)
    let record = try file.requireRecord("raw")
    #expect(file.rawBytes(record) == nil)
    #expect(try decoded(file, record) == samples[0].bytes)
    #expect(truncate(folder.file(), 4096) == 0)
    expectError("truncated", "truncated: 4096 bytes of 1204096", file: folder.file()) { _ = try decoded(file, record) }
  }
}
