// SPDX-License-Identifier: Apache-2.0
import Testing
import WeightFile

/// Rejections of the tensor table. In the valid draft `near` is tensor 0 (in place at 128) and `far` tensor 1 (framed at 192).
@Suite struct TensorTableTests {
  private func reject(
    _ name: String, _ text: String, sourceLocation: SourceLocation = #_sourceLocation, _ change: (inout FileDraft) -> Void
  ) {
    var draft = FileDraft.valid()
    change(&draft)
    expectRejection(draft, name, text, sourceLocation: sourceLocation)
  }

  @Test func rejectsInvalidNames() {
    for name in [[], [0x61, 0x00], [0x0A], [0xFE], [0xC3], [0xED, 0xBF, 0xBF], [UInt8](repeating: 0x61, count: 1025)] as [[UInt8]] {
      reject("invalidTensorName", "tensor 0 has an invalid name at offset 541") { $0.tensors[0].name = name }
    }
  }

  @Test func rejectsNamesPastTheEndOfTheTable() {
    reject("wrongSectionSize", "the tensor table does not end where its entries do (offset 541)") { $0.tensors[0].nameSize = .max }
  }

  @Test func rejectsDuplicateNames() {
    reject("duplicateTensor", "tensor far appears twice") { $0.tensors[0].name = Array("far".utf8) }
  }

  @Test func rejectsUnknownEncodingAndStorage() {
    reject("unknownEncoding", "tensor near has unknown encoding 6") { $0.tensors[0].encoding = 6 }
    reject("unknownEncoding", "tensor near has unknown encoding 255") { $0.tensors[0].encoding = 255 }
    reject("unknownStorage", "tensor far has unknown storage kind 2") { $0.tensors[1].storage = 2 }
  }

  @Test func rejectsRanksTheEncodingDoesNotAllow() {
    func rank(_ n: Int) -> String { "tensor t has \(n) dimensions, which its encoding does not allow" }
    expectRejection(.single(encoding: 0, shape: [], byteCount: 4), "invalidRank", rank(0))
    expectRejection(.single(encoding: 0, shape: [1, 1, 1, 1, 1, 1, 1, 1, 16], byteCount: 64), "invalidRank", rank(9))
    expectRejection(.single(encoding: 2, shape: [1], byteCount: 64), "invalidRank", rank(1))
    expectRejection(.single(encoding: 4, shape: [1, 1, 1], group: 32, byteCount: 576), "invalidRank", rank(3))
    reject("invalidRank", "tensor near has 255 dimensions, which its encoding does not allow") { $0.tensors[0].rank = 255 }
  }

  /// 2 matrices of 16 × 1 in f32: two blocks of 64 bytes.
  @Test func stackedMatricesNeedVersion2() throws {
    var draft = FileDraft.single(encoding: 2, shape: [2, 16, 1], byteCount: 128)
    draft.data = (0..<128).map { UInt8($0) }
    draft.tensors[0].frames = [.init(offset: 128, stored: 128, decoded: 128)]
    expectRejection(draft, "invalidRank", "tensor t has 3 dimensions, which its encoding does not allow")
    (draft.version, draft.minReaderVersion) = (2, 1)
    expectRejection(draft, "invalidRank", "tensor t has 3 dimensions, which its encoding does not allow")
    draft.minReaderVersion = 2
    let record = try open(draft.bytes()).requireRecord("t")
    #expect(record.matrixCount == 2 && record.layout?.byteCount == 64 && record.elementCount == 32)
    draft.tensors[0].shape = [1, 2, 16, 1]
    expectRejection(draft, "invalidRank", "tensor t has 4 dimensions, which its encoding does not allow")
    draft.tensors[0].shape = [3, 16, 1]
    expectRejection(draft, "wrongTensorSize", "tensor t has 128 bytes; its shape and encoding take 192")
    draft.tensors[0].shape = [1 << 60, 16, 1]
    expectRejection(draft, "shapeOverflow", "tensor t has a shape too large to address")
    draft.tensors[0].shape = [0, 16, 1]
    expectRejection(draft, "invalidDimension", "tensor t has a dimension of 0")
  }

  @Test func rejectsDimensionsOfZeroOrBeyondAnInt() {
    expectRejection(.single(encoding: 0, shape: [16, 0], byteCount: 0), "invalidDimension", "tensor t has a dimension of 0")
    expectRejection(
      .single(encoding: 0, shape: [1 << 63], byteCount: 64), "invalidDimension", "tensor t has a dimension of 9223372036854775808")
  }

  @Test func rejectsShapesThatOverflow() {
    let text = "tensor t has a shape too large to address"
    expectRejection(.single(encoding: 0, shape: [1 << 32, 1 << 32], byteCount: 64), "shapeOverflow", text)
    // Products that wrap around to something small and plausible.
    expectRejection(.single(encoding: 1, shape: [1 << 62, 4, 16], byteCount: 0), "shapeOverflow", text)
    expectRejection(.single(encoding: 0, shape: [(1 << 62) + 4, 4], byteCount: 64), "shapeOverflow", text)
    expectRejection(.single(encoding: 2, shape: [16, 1 << 58], byteCount: 64), "shapeOverflow", text)
    expectRejection(.single(encoding: 3, shape: [1 << 40, 1 << 40], byteCount: 64), "shapeOverflow", text)
    expectRejection(.single(encoding: 4, shape: [16, UInt64(Int.max)], group: 32, byteCount: 64), "shapeOverflow", text)
    expectRejection(.single(encoding: 5, shape: [UInt64(Int.max), UInt64(Int.max)], group: 32, byteCount: 64), "shapeOverflow", text)
  }

  @Test(arguments: [(4, 0), (4, 16), (4, 33), (5, 48), (5, 32800), (5, 0xFFFF_FFE0), (0, 32), (3, 64)] as [(UInt8, UInt32)])
  func rejectsGroupsTheEncodingDoesNotAllow(encoding: UInt8, group: UInt32) {
    expectRejection(
      .single(encoding: encoding, shape: [4, 4], group: group, byteCount: 64), "invalidGroup",
      "tensor t has quantization group \(group), which its encoding does not allow")
  }

  @Test func rejectsByteCountsThatDisagreeWithTheShape() {
    reject("wrongTensorSize", "tensor near has 63 bytes; its shape and encoding take 64") { $0.tensors[0].byteCount = 63 }
    reject("wrongTensorSize", "tensor near has \(Int.max) bytes; its shape and encoding take 64") { $0.tensors[0].byteCount = .max }
    reject("wrongTensorSize", "tensor near has 64 bytes; its shape and encoding take 80") { $0.tensors[0].shape = [4, 5] }
    // 16 rows of 32 inputs: 32 bytes of scales padded to 64, 512 of codes.
    expectRejection(
      .single(encoding: 4, shape: [1, 1], group: 32, byteCount: 64), "wrongTensorSize",
      "tensor t has 64 bytes; its shape and encoding take 576")
  }

  @Test func rejectsFramesThatDoNotAddUpToTheTensor() {
    reject("wrongTensorSize", "tensor near has 40 bytes; its shape and encoding take 64") { $0.tensors[0].frames.removeLast() }
    reject("wrongTensorSize", "tensor far has 0 bytes; its shape and encoding take 256") { $0.tensors[1].frames = [] }
    reject("invalidFrameSize", "tensor far, frame 2 has impossible sizes (64 bytes for 64)") {
      $0.data += [UInt8](repeating: 0, count: 64)
      $0.tensors[1].frames.append(.init(offset: 448, stored: 64, decoded: 64))
    }
  }

  @Test func rejectsUnknownCodecs() {
    reject("unknownCodec", "tensor far, frame 1 has unknown codec 4") { $0.tensors[1].frames[1].codec = 4 }
  }

  @Test func rejectsFramesOutsideTheData() {
    for offset in [321, 448, 5000, UInt64.max, UInt64.max - 127] {
      reject("frameOutOfBounds", "tensor far, frame 1 at offset \(offset) lies outside the data") { $0.tensors[1].frames[1].offset = offset }
    }
    for offset in [0, 64, 127] as [UInt64] {
      reject("frameOutOfBounds", "tensor near, frame 0 at offset \(offset) lies outside the data") { $0.tensors[0].frames[0].offset = offset }
    }
  }

  @Test func rejectsUnsortedFrames() {
    reject("unsortedFrame", "tensor far, frame 1 at offset 192 comes before the frame ahead of it") {
      ($0.tensors[1].frames[0].offset, $0.tensors[1].frames[1].offset) = (320, 192)
    }
    reject("unsortedFrame", "tensor near, frame 0 at offset 128 comes before the frame ahead of it") { $0.tensors.swapAt(0, 1) }
  }

  @Test func rejectsOverlappingFrames() {
    reject("overlappingFrame", "tensor far, frame 1 at offset 319 overlaps the frame ahead of it") { $0.tensors[1].frames[1].offset = 319 }
    reject("overlappingFrame", "tensor far, frame 0 at offset 168 overlaps the frame ahead of it") { $0.tensors[1].frames[0].offset = 168 }
  }

  @Test(
    arguments: [
      (0, 128, 0), (128, 0, 0), (127, 128, 0), (128, 127, 0), (128, 64, 1), (0, 128, 1), (128, 256, 2), (100, 130, 3),
    ] as [(UInt32, UInt32, UInt32)])
  func rejectsImpossibleFrameSizes(stored: UInt32, decoded: UInt32, codec: UInt32) {
    reject("invalidFrameSize", "tensor far, frame 1 has impossible sizes (\(stored) bytes for \(decoded))") {
      $0.tensors[1].frames[1].stored = stored
      $0.tensors[1].frames[1].decoded = decoded
      $0.tensors[1].frames[1].codec = codec
    }
  }

  @Test func rejectsCompressedFramesInAnInPlaceTensor() {
    reject("invalidFrameSize", "tensor near, frame 1 has impossible sizes (24 bytes for 24)") { $0.tensors[0].frames[1].codec = 1 }
  }

  @Test func rejectsFramesThatDecodeToTooMuch() {
    func huge(rows: UInt64, columns: UInt64, frame: UInt32) -> FileDraft {
      var draft = FileDraft.single(encoding: 0, shape: [rows, columns], byteCount: rows * columns * 4)
      draft.tensors[0].storage = 1
      draft.tensors[0].frames[0].decoded = frame
      draft.tensors[0].frames[0].codec = 1
      return draft
    }
    // 4 MiB of many rows; a row of more than 16 MiB.
    expectRejection(
      huge(rows: 1024, columns: 1024, frame: 4 << 20), "invalidFrameSize",
      "tensor t, frame 0 has impossible sizes (64 bytes for 4194304)")
    expectRejection(
      huge(rows: 1, columns: (4 << 20) + 1, frame: (16 << 20) + 4), "invalidFrameSize",
      "tensor t, frame 0 has impossible sizes (64 bytes for 16777220)")
  }

  @Test func acceptsASingleLargeRow() throws {
    var draft = FileDraft.single(encoding: 0, shape: [1, 1 << 20], byteCount: 4 << 20)
    draft.tensors[0].storage = 1
    draft.tensors[0].frames[0].decoded = 4 << 20
    draft.tensors[0].frames[0].codec = 1
    let file = try open(draft.bytes())
    expectError("undecodableFrame", "tensor t, frame 0 at offset 128 cannot be decompressed") { try file.verify() }
  }

  @Test func rejectsFramesOfBrokenRows() {
    reject("frameNotWholeRows", "tensor far, frame 0 of 100 bytes is not whole rows of 64") {
      ($0.tensors[1].frames[0].stored, $0.tensors[1].frames[0].decoded) = (100, 100)
    }
  }

  @Test func rejectsMisalignedInPlaceTensors() {
    reject("misalignedTensor", "tensor near at offset 144 is not aligned to 64 bytes") {
      $0.tensors[0].frames = [.init(offset: 144, stored: 64, decoded: 64)]
      $0.tensors.removeLast()
    }
  }

  @Test func rejectsScatteredInPlaceTensors() {
    reject("scatteredTensor", "tensor near is to be used in place, but frame 1 at offset 169 does not follow the one ahead") {
      $0.tensors[0].frames[1].offset = 169
      $0.tensors.removeLast()
    }
  }
}
