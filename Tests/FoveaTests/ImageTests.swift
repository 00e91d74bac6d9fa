// SPDX-License-Identifier: Apache-2.0
import CFovea
import Foundation
import Fovea
import Testing

/// A 1 × 1 PNG, a red pixel.
let redPixelPNG = Data(
  base64Encoded: "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP4z8AAAAMBAQD3A0FDAAAAAElFTkSuQmCC")!

struct ImageTests {
  @Test func pathBytesAndPixelsGiveTheSameVectors() throws {
    let model = try Loaded()
    let path = NSTemporaryDirectory() + "fovea-abi-\(UUID().uuidString).png"
    try redPixelPNG.write(to: URL(fileURLWithPath: path))
    defer { unlink(path) }
    var fromPath: OpaquePointer?
    var fromBytes: OpaquePointer?
    var fromPixels: OpaquePointer?
    #expect(fovea_encode_image(model.handle, path, nil, &fromPath) == FOVEA_OK, "\(lastError())")
    redPixelPNG.withUnsafeBytes {
      #expect(fovea_encode_image_bytes(model.handle, $0.baseAddress, $0.count, nil, &fromBytes) == FOVEA_OK)
    }
    #expect(fovea_encode_image_pixels(model.handle, [255, 0, 0], 1, 1, 0, nil, &fromPixels) == FOVEA_OK)
    let vectors = [fromPath, fromBytes, fromPixels].map { vectorsOf($0) }
    #expect(vectors[0].count == 4 * TinyModel.hidden)
    #expect(vectors[0] == vectors[1] && vectors[0] == vectors[2])
    for image in [fromPath, fromBytes, fromPixels] { fovea_image_embedding_release(image) }
  }

  @Test func aStrideSkipsWhatLiesBetweenRows() throws {
    let model = try Loaded()
    let (width, height, stride) = (5, 4, 23)
    let dense = pixels(width: width, height: height)
    var spread = [UInt8](repeating: 99, count: stride * height)
    for y in 0..<height { for x in 0..<3 * width { spread[y * stride + x] = dense[y * 3 * width + x] } }
    var a: OpaquePointer?
    var b: OpaquePointer?
    #expect(fovea_encode_image_pixels(model.handle, dense, 5, 4, 0, nil, &a) == FOVEA_OK)
    #expect(fovea_encode_image_pixels(model.handle, spread, 5, 4, stride, nil, &b) == FOVEA_OK)
    #expect(vectorsOf(a) == vectorsOf(b))
    fovea_image_embedding_release(a)
    fovea_image_embedding_release(b)
  }

  @Test func aPartIsThePartAlone() throws {
    let model = try Loaded()
    let (width, height) = (20, 16)
    let whole = pixels(width: width, height: height)
    let part = (4..<12).flatMap { (y: Int) -> ArraySlice<UInt8> in
      let start = 3 * (y * width + 5)
      return whole[start..<start + 30]
    }
    var options = fovea_encode_options()
    options.struct_size = MemoryLayout<fovea_encode_options>.size
    (options.crop_x, options.crop_y, options.crop_width, options.crop_height) = (5, 4, 10, 8)
    var a: OpaquePointer?
    var b: OpaquePointer?
    #expect(fovea_encode_image_pixels(model.handle, whole, 20, 16, 0, &options, &a) == FOVEA_OK, "\(lastError())")
    #expect(fovea_encode_image_pixels(model.handle, part, 10, 8, 0, nil, &b) == FOVEA_OK)
    #expect(vectorsOf(a) == vectorsOf(b))
    var info = fovea_image_info()
    info.struct_size = MemoryLayout<fovea_image_info>.size
    #expect(fovea_image_embedding_get_info(a, &info) == FOVEA_OK && info.width == 10 && info.height == 8)
    fovea_image_embedding_release(a)
    fovea_image_embedding_release(b)
    let wrong: [(Int32, Int32, Int32, Int32)] = [(11, 0, 10, 1), (0, 9, 1, 8), (1, 1, 0, 0), (0, 0, 3, 0), (-1, 0, 3, 3), (0, 0, 3, .min)]
    for (x, y, w, h) in wrong {
      (options.crop_x, options.crop_y, options.crop_width, options.crop_height) = (x, y, w, h)
      var out: OpaquePointer?
      #expect(fovea_encode_image_pixels(model.handle, whole, 20, 16, 0, &options, &out) == FOVEA_ERROR_ARGUMENT)
      #expect(lastError().contains("crop") && out == nil)
    }
  }

  @Test func itTellsItsSizeAndViews() throws {
    let model = try Loaded()
    let image = try model.image(width: 40, height: 30)
    defer { fovea_image_embedding_release(image) }
    var info = fovea_image_info()
    info.struct_size = MemoryLayout<fovea_image_info>.size
    #expect(fovea_image_embedding_get_info(image, &info) == FOVEA_OK)
    #expect(info.width == 40 && info.height == 30 && info.tokens == 4 && info.hidden_size == 16 && info.views == 1)
    var view = fovea_image_view()
    view.struct_size = MemoryLayout<fovea_image_view>.size
    #expect(fovea_image_embedding_get_view(image, 0, &view) == FOVEA_OK)
    // Padded to a square in the middle.
    #expect(view.x == 0 && view.y == -5 && view.width == 40 && view.height == 40)
    #expect(view.row == -1 && view.column == -1 && view.first_token == 0 && view.tokens == 4)
    #expect(fovea_image_embedding_get_view(image, 1, &view) == FOVEA_ERROR_ARGUMENT)
    #expect(fovea_image_embedding_get_view(image, -1, &view) == FOVEA_ERROR_ARGUMENT)
  }

  @Test func aRetainedImageNeedsTwoReleases() throws {
    let model = try Loaded()
    let image = try model.image()
    #expect(fovea_image_embedding_retain(image) == image)
    fovea_image_embedding_release(image)
    let session = try model.session()
    #expect(ids(session, "abc", [image]).status == FOVEA_OK)
    fovea_session_free(session)
    fovea_image_embedding_release(image)
  }

  @Test func progressAndDeadlineCanStopEncoding() throws {
    let model = try Loaded()
    var options = fovea_encode_options()
    options.struct_size = MemoryLayout<fovea_encode_options>.size
    options.progress = { _, _, _ in 1 }
    var out: OpaquePointer?
    let picture = pixels(width: 30, height: 30)
    #expect(fovea_encode_image_pixels(model.handle, picture, 30, 30, 0, &options, &out) == FOVEA_ERROR_CANCELLED)
    options.progress = nil
    options.deadline_seconds = 1e-9
    #expect(fovea_encode_image_pixels(model.handle, picture, 30, 30, 0, &options, &out) == FOVEA_ERROR_DEADLINE)
    #expect(out == nil)
    options.deadline_seconds = 1e9
    #expect(fovea_encode_image_pixels(model.handle, picture, 30, 30, 0, &options, &out) == FOVEA_OK)
    fovea_image_embedding_release(out)
  }

  @Test func picturesAreTurnedAndPaintedUnlessToldOtherwise() throws {
    let model = try Loaded()
    func encoded(_ file: [UInt8], _ change: (inout fovea_encode_options) -> Void = { _ in }) throws -> (size: [Int32], [Float]) {
      var options = fovea_encode_options()
      options.struct_size = MemoryLayout<fovea_encode_options>.size
      change(&options)
      var out: OpaquePointer?
      try #require(fovea_encode_image_bytes(model.handle, file, file.count, &options, &out) == FOVEA_OK, "\(lastError())")
      defer { fovea_image_embedding_release(out) }
      var info = fovea_image_info()
      info.struct_size = MemoryLayout<fovea_image_info>.size
      try #require(fovea_image_embedding_get_info(out, &info) == FOVEA_OK)
      return ([info.width, info.height], vectorsOf(out))
    }
    let images = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("ImagesTests/Fixtures")
    let turned = [UInt8](try Data(contentsOf: images.appendingPathComponent("exif_orientation6.png")))
    let upright = try encoded(turned), stored = try encoded(turned) { $0.orientation = Int32(FOVEA_ORIENTATION_STORED) }
    #expect(upright.size == stored.size.reversed() && upright.1 != stored.1)
    #expect(try encoded(turned) { $0.orientation = Int32(FOVEA_ORIENTATION_UPRIGHT) }.1 == upright.1)

    let transparent = [UInt8](try Data(contentsOf: images.appendingPathComponent("colour6_depth8.png")))
    let white = try encoded(transparent).1
    func on(_ colour: UInt32) throws -> [Float] {
      try encoded(transparent) { ($0.alpha, $0.background) = (Int32(FOVEA_ALPHA_COLOUR), colour) }.1
    }
    #expect(try on(0xFF_FFFF) == white)
    let dropped = try encoded(transparent) { $0.alpha = Int32(FOVEA_ALPHA_DROP) }.1
    #expect(try Set([white, on(0xFF), on(0xFF_0000), dropped]).count == 4)
  }

  @Test func badImagesAreNamed() throws {
    let model = try Loaded()
    var out: OpaquePointer?
    #expect(fovea_encode_image(model.handle, "/nonexistent.png", nil, &out) == FOVEA_ERROR_IO)
    #expect(lastError().contains("/nonexistent.png"))
    for bytes in [Array(redPixelPNG.prefix(40)), Array("GIF89a......".utf8), [0]] {
      #expect(fovea_encode_image_bytes(model.handle, bytes, bytes.count, nil, &out) == FOVEA_ERROR_IMAGE)
      #expect(out == nil)
    }
  }

  private func vectorsOf(_ image: OpaquePointer?) -> [Float] {
    var info = fovea_image_info()
    info.struct_size = MemoryLayout<fovea_image_info>.size
    guard fovea_image_embedding_get_info(image, &info) == FOVEA_OK, let data = fovea_image_embedding_data(image) else {
      return []
    }
    return Array(UnsafeBufferPointer(start: data, count: Int(info.tokens * info.hidden_size)))
  }
}
