// SPDX-License-Identifier: Apache-2.0
import CFovea
import Foundation
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

  @Test(arguments: [Int32(0), Int32(FOVEA_CAPSULE_F16)])
  func aCapsuleIsAFileOfThem(flags: Int32) throws {
    let model = try Loaded()
    let image = try model.image()
    defer { fovea_image_embedding_release(image) }
    let path = NSTemporaryDirectory() + "fovea-\(UUID().uuidString).capsule"
    defer { unlink(path) }
    try #require(fovea_image_embedding_save(image, path, flags) == FOVEA_OK, "\(lastError())")
    var copy: OpaquePointer?
    try #require(fovea_image_embedding_load(model.handle, path, &copy) == FOVEA_OK, "\(lastError())")
    if flags == 0 { #expect(try bytes(of: try #require(copy)) == bytes(of: image)) }
    fovea_image_embedding_release(copy)
    // Damaged, cut and of another model: refused by the file's name, and a file of any bytes ends nothing.
    let good = try Data(contentsOf: URL(fileURLWithPath: path))
    let size = try bytes(of: image).count
    #expect(flags == 0 ? good.count == size : good.count < size)
    let other = try Loaded(seed: 2)
    #expect(fovea_image_embedding_load(other.handle, path, &copy) == FOVEA_ERROR_ARGUMENT)
    #expect(copy == nil && lastError().contains(path) && lastError().contains("another weight file"))
    var random = SystemRandomNumberGenerator()
    for round in 0..<600 {
      var bad = [UInt8](good)
      switch round % 3 {
      case 0: bad.removeLast(Int.random(in: 1...bad.count, using: &random))
      case 1: bad[Int.random(in: 0..<bad.count, using: &random)] ^= UInt8.random(in: 1...255, using: &random)
      default:
        bad[Int.random(in: 8..<112, using: &random)] = UInt8.random(in: 0...255, using: &random)
        seal(&bad)
      }
      try Data(bad).write(to: URL(fileURLWithPath: path))
      let status = fovea_image_embedding_load(model.handle, path, &copy)
      if status == FOVEA_OK {
        #expect(round % 3 == 2)
        fovea_image_embedding_release(copy)
      } else {
        #expect(lastError().contains(path), "\(lastError())")
      }
    }
    #expect(fovea_image_embedding_load(model.handle, path + ".none", &copy) == FOVEA_ERROR_IO)
    #expect(fovea_image_embedding_save(image, "/nowhere/x.capsule", 0) == FOVEA_ERROR_IO && lastError().contains("/nowhere/x.capsule"))
    #expect(fovea_image_embedding_save(image, path, 2) == FOVEA_ERROR_ARGUMENT)
    #expect(fovea_image_embedding_save(nil, path, 0) == FOVEA_ERROR_ARGUMENT && fovea_image_embedding_save(image, nil, 0) == FOVEA_ERROR_ARGUMENT)
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
