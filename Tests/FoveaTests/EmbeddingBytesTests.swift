// SPDX-License-Identifier: Apache-2.0
import CFovea
import Fovea
import Testing
import WeightFile

/// An embedding goes through bytes and comes back; bytes that are damaged or of another model never do, and end nothing.
struct EmbeddingBytesTests {
  private func bytes(of image: OpaquePointer) throws -> [UInt8] {
    var size = 0
    try #require(fovea_image_embedding_serialize(image, nil, 0, &size) == FOVEA_OK)
    var bytes = [UInt8](repeating: 0, count: size)
    #expect(fovea_image_embedding_serialize(image, &bytes, size - 1, &size) == FOVEA_ERROR_BUFFER)
    #expect(bytes.allSatisfy { $0 == 0 } && size == bytes.count)
    try #require(fovea_image_embedding_serialize(image, &bytes, size, &size) == FOVEA_OK)
    return bytes
  }

  @Test func anEmbeddingComesBackFromItsBytes() throws {
    let model = try Loaded()
    let image = try model.image()
    defer { fovea_image_embedding_release(image) }
    let bytes = try bytes(of: image)
    var copy: OpaquePointer?
    try #require(fovea_image_embedding_deserialize(model.handle, bytes, bytes.count, &copy) == FOVEA_OK, "\(lastError())")
    defer { fovea_image_embedding_release(copy) }
    #expect(try self.bytes(of: try #require(copy)) == bytes)
    let session = try model.session()
    defer { fovea_session_free(session) }
    #expect(ids(session, "What?", [image]).ids == ids(session, "What?", [copy]).ids)
  }

  @Test func bytesOfAnotherModelAreRefused() throws {
    let image = try Loaded().image()
    defer { fovea_image_embedding_release(image) }
    let bytes = try bytes(of: image)
    let other = try Loaded(seed: 2)
    var out: OpaquePointer?
    #expect(fovea_image_embedding_deserialize(other.handle, bytes, bytes.count, &out) == FOVEA_ERROR_ARGUMENT)
    #expect(out == nil && lastError().contains("another weight file"))
  }

  /// The checksum is made right again, so that every check behind it is reached.
  @Test func damagedBytesAreRefused() throws {
    let model = try Loaded()
    let image = try model.image()
    defer { fovea_image_embedding_release(image) }
    let good = try bytes(of: image)
    var out: OpaquePointer?
    for count in 0..<good.count {
      #expect(fovea_image_embedding_deserialize(model.handle, good, count, &out) != FOVEA_OK)
    }
    #expect(fovea_image_embedding_deserialize(model.handle, good + [0], good.count + 1, &out) == FOVEA_ERROR_FORMAT)
    for at in 0..<good.count {
      var bad = good
      bad[at] ^= 1 << (at % 8)
      #expect(fovea_image_embedding_deserialize(model.handle, bad, bad.count, &out) != FOVEA_OK, "byte \(at)")
    }
    var random = SystemRandomNumberGenerator()
    var accepted = 0
    for _ in 0..<20_000 {
      var bad = good
      for _ in 0...Int.random(in: 0...2, using: &random) {
        bad[Int.random(in: 8..<112, using: &random)] = [0, 1, 0x7F, 0x80, 0xFF].randomElement(using: &random) ?? 0
      }
      seal(&bad)
      if fovea_image_embedding_deserialize(model.handle, bad, bad.count, &out) == FOVEA_OK {
        accepted += 1  // other pixels of the view, another place in the grid: sound values
        fovea_image_embedding_release(out)
      }
    }
    #expect(accepted < 20_000)
  }

  private func seal(_ bytes: inout [UInt8]) {
    let sum = bytes.withUnsafeBytes { b in b.baseAddress.map { xxh64($0, b.count - 8) } ?? 0 }
    for i in 0..<8 { bytes[bytes.count - 8 + i] = UInt8(truncatingIfNeeded: sum >> UInt64(8 * i)) }
  }
}
