// SPDX-License-Identifier: Apache-2.0
import CFovea
import Foundation
import Fovea
import Testing
import WeightFile

/// A session is copied, cut back, and goes through bytes and files; bytes that are damaged or of another model never come back.
struct SessionBytesTests {
  private func bytes(_ session: OpaquePointer) throws -> [UInt8] {
    var size = 0
    try #require(fovea_session_save(session, nil, 0, &size) == FOVEA_OK, "\(lastError())")
    var bytes = [UInt8](repeating: 0, count: size)
    #expect(fovea_session_save(session, &bytes, size - 1, &size) == FOVEA_ERROR_BUFFER)
    #expect(bytes.allSatisfy { $0 == 0 } && size == bytes.count)
    try #require(fovea_session_save(session, &bytes, size, &size) == FOVEA_OK, "\(lastError())")
    return bytes
  }

  private func answer(_ session: OpaquePointer, _ prompt: String, _ images: [OpaquePointer?]) -> (ids: [Int32], reused: Int32) {
    var options = generateOptions(tokens: 6)
    var result = fovea_generate_result()
    result.struct_size = MemoryLayout<fovea_generate_result>.size
    var ids = [Int32](repeating: -1, count: 6)
    var count = 0
    let status = fovea_generate_ids(session, prompt, images, images.count, &options, &result, &ids, 6, &count)
    #expect(status == FOVEA_OK, "\(lastError(session))")
    return (ids, result.reused_tokens)
  }

  private func load(_ path: String, _ type: fovea_cache_type) throws -> OpaquePointer {
    var options = fovea_load_options()
    options.struct_size = MemoryLayout<fovea_load_options>.size
    options.cache_type = type
    var out: OpaquePointer?
    try #require(fovea_load(path, &options, &out) == FOVEA_OK, "\(lastError())")
    return try #require(out)
  }

  private func open(_ model: OpaquePointer?, _ bytes: [UInt8]) -> (status: fovea_status, session: OpaquePointer?) {
    var out: OpaquePointer?
    let status = fovea_session_load(model, bytes, bytes.count, nil, &out)
    return (status, out)
  }

  @Test func aForkGoesOnByItself() throws {
    let model = try Loaded()
    let image = try model.image()
    let session = try model.session()
    _ = answer(session, "abc", [image])
    let held = fovea_session_length(session)
    #expect(held > 20)
    var fork: OpaquePointer?
    try #require(fovea_session_fork(session, &fork) == FOVEA_OK, "\(lastError())")
    let copy = try #require(fork)
    #expect(fovea_session_length(copy) == held)
    let expected = answer(session, "abd", [image])
    fovea_session_free(session)
    let found = answer(copy, "abd", [image])
    #expect(found.ids == expected.ids && found.reused == expected.reused && found.reused > 15)
    #expect(fovea_session_rewind(copy, 15) == FOVEA_OK && fovea_session_length(copy) == 15)
    let again = answer(copy, "abd", [image])
    #expect(again.ids == expected.ids && again.reused == 15)
    #expect(fovea_session_rewind(copy, 1000) == FOVEA_ERROR_ARGUMENT && lastError().contains("tokens"))
    #expect(fovea_session_rewind(nil, 0) == FOVEA_ERROR_ARGUMENT && fovea_session_fork(nil, &fork) == FOVEA_ERROR_ARGUMENT)
    #expect(fovea_session_length(nil) == 0)
    fovea_session_free(copy)
    fovea_image_embedding_release(image)
  }

  /// Every cache type, through memory and a file; the image is encoded anew, as another process would.
  @Test(arguments: [FOVEA_CACHE_F32, FOVEA_CACHE_F16, FOVEA_CACHE_INT8])
  func aSavedSessionGoesOn(_ type: Int) throws {
    let file = try TinyModel()
    let (first, second) = (try load(file.path, fovea_cache_type(type)), try load(file.path, fovea_cache_type(type)))
    func image(_ model: OpaquePointer) throws -> OpaquePointer {
      var out: OpaquePointer?
      try #require(fovea_encode_image_pixels(model, pixels(width: 40, height: 30), 40, 30, 0, nil, &out) == FOVEA_OK)
      return try #require(out)
    }
    let images = [try image(first), try image(second)]
    var session: OpaquePointer?
    try #require(fovea_session_create(first, nil, &session) == FOVEA_OK)
    let source = try #require(session)
    _ = answer(source, "abc", [images[0]])
    let saved = try bytes(source)
    let path = NSTemporaryDirectory() + "fovea-session-\(UUID().uuidString)"
    defer { unlink(path) }
    #expect(fovea_session_save_file(source, path) == FOVEA_OK, "\(lastError())")
    #expect(try Array(Data(contentsOf: URL(fileURLWithPath: path))) == saved)
    let expected = answer(source, "abd", [images[0]])
    #expect(expected.reused > 15)
    var opened: OpaquePointer?
    try #require(fovea_session_load_file(second, path, nil, &opened) == FOVEA_OK, "\(lastError())")
    for found in [open(second, saved).session, opened] {
      let found = try #require(found, "\(lastError())")
      #expect(try bytes(found) == saved)
      let answer = answer(found, "abd", [images[1]])
      #expect(answer.ids == expected.ids && answer.reused == expected.reused)
      fovea_session_free(found)
    }
    #expect(fovea_session_load_file(second, path + "?", nil, &opened) == FOVEA_ERROR_IO)
    #expect(fovea_session_load_file(second, NSTemporaryDirectory(), nil, &opened) == FOVEA_ERROR_IO)
    fovea_session_free(source)
    for image in images { fovea_image_embedding_release(image) }
    fovea_model_free(first)
    fovea_model_free(second)
  }

  @Test func whatDoesNotFitIsNamed() throws {
    let model = try Loaded()
    let session = try model.session()
    defer { fovea_session_free(session) }
    _ = answer(session, "abc", [])
    let saved = try bytes(session)
    let other = try Loaded(seed: 2)
    #expect(open(other.handle, saved).status == FOVEA_ERROR_ARGUMENT && lastError().contains("another weight file"))
    let short = try load(model.file.path, fovea_cache_type(FOVEA_CACHE_INT8))
    defer { fovea_model_free(short) }
    #expect(open(short, saved).status == FOVEA_ERROR_ARGUMENT && lastError().contains("cache type"))
    var options = fovea_session_options()
    options.struct_size = MemoryLayout<fovea_session_options>.size
    options.context_length = 8
    var out: OpaquePointer?
    #expect(fovea_session_load(model.handle, saved, saved.count, &options, &out) == FOVEA_ERROR_CONTEXT && lastError().contains("session"))
    // An empty session is one too.
    let empty = try model.session()
    defer { fovea_session_free(empty) }
    let found = open(model.handle, try bytes(empty))
    #expect(found.status == FOVEA_OK && fovea_session_length(found.session) == 0)
    fovea_session_free(found.session)
  }

  @Test func damagedBytesAreRefused() throws {
    let model = try Loaded()
    let session = try model.session()
    defer { fovea_session_free(session) }
    _ = answer(session, "ab", [])
    #expect(fovea_session_rewind(session, 9) == FOVEA_OK)
    let good = try bytes(session)
    for count in stride(from: 0, to: good.count, by: 7) {
      #expect(open(model.handle, Array(good.prefix(count))).status == FOVEA_ERROR_FORMAT, "\(count)")
    }
    #expect(open(model.handle, good + [0]).status == FOVEA_ERROR_FORMAT)
    for at in good.indices {
      var bad = good
      bad[at] ^= 1 << (at % 8)
      #expect(open(model.handle, bad).status != FOVEA_OK, "byte \(at)")
    }
    // The checksums of header and positions are made right again, so that every check behind them is reached.
    var random = SystemRandomNumberGenerator()
    let elements = 64..<64 + 16 * 9
    for _ in 0..<5000 {
      var bad = good
      for _ in 0...Int.random(in: 0...2, using: &random) {
        bad[Int.random(in: 8..<elements.upperBound, using: &random)] = [0, 1, 0x7F, 0x80, 0xFF].randomElement(using: &random) ?? 0
      }
      seal(&bad, 0..<56)
      seal(&bad, elements)
      let found = open(model.handle, bad)
      if found.status == FOVEA_OK {
        _ = ids(try #require(found.session), "ab", tokens: 2)
        fovea_session_free(found.session)
      }
    }
  }

  private func seal(_ bytes: inout [UInt8], _ range: Range<Int>) {
    let sum = bytes.withUnsafeBytes { b in b.baseAddress.map { xxh64($0 + range.lowerBound, range.count) } ?? 0 }
    for i in 0..<8 { bytes[range.upperBound + i] = UInt8(truncatingIfNeeded: sum >> UInt64(8 * i)) }
  }
}
