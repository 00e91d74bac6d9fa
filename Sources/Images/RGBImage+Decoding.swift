// SPDX-License-Identifier: Apache-2.0

import ImageCodecs
import Shims

/// How an encoded image is read.
package struct DecodingOptions {
  /// Turn the image the way its Exif orientation says (as Pillow's `exif_transpose`). Without it the pixels come as stored.
  package var applyOrientation = true
  /// More pixels than this are refused by the header alone, before memory is taken for them.
  package var maximumPixels = RGBImage.defaultMaximumPixels

  package init(applyOrientation: Bool = true, maximumPixels: Int = RGBImage.defaultMaximumPixels) {
    self.applyOrientation = applyOrientation
    self.maximumPixels = maximumPixels
  }
}

extension RGBImage {
  /// Reads a PNG or JPEG file. The pixels are those of Pillow's `Image.open(path).convert("RGB")`: alpha is dropped, not
  /// blended; colour profiles and gamma are ignored; 16-bit grey saturates at 255, other 16-bit samples keep the high byte.
  /// - Parameter path: any bytes but NUL; error texts show it with what is not UTF-8 replaced.
  package static func decode(path: UnsafePointer<CChar>, options: DecodingOptions = DecodingOptions()) throws(ImageError) -> RGBImage {
    let file = try FileBytes(path: path)
    return try decode(encoded: file.bytes, source: String(cString: path), options: options)
  }

  /// Reads a PNG or JPEG image from memory; the bytes are only used during the call.
  /// - Parameter source: what error texts call the image.
  package static func decode(
    encoded bytes: UnsafeRawBufferPointer, source: String = "encoded image",
    options: DecodingOptions = DecodingOptions()
  ) throws(ImageError) -> RGBImage {
    guard let format = ImageFormat(bytes) else { throw .unknownFormat(source: source, found: ForeignPicture(bytes)) }
    let image: RGBImage
    switch format {
    case .png:
      guard let decoder = codecPNGOpen(bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count) else {
        throw .outOfMemory(bytes: 0)
      }
      defer { codecPNGClose(decoder) }
      image = try run(
        source: source, format: format, limit: options.maximumPixels,
        header: { codecPNGHeader(decoder, $0, $1) }, read: { codecPNGRead(decoder, $0) },
        message: { codecPNGMessage(decoder) })
    case .jpeg:
      guard let decoder = codecJPEGOpen(bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count) else {
        throw .outOfMemory(bytes: 0)
      }
      defer { codecJPEGClose(decoder) }
      image = try run(
        source: source, format: format, limit: options.maximumPixels,
        header: { codecJPEGHeader(decoder, $0, $1) }, read: { codecJPEGRead(decoder, $0) },
        message: { codecJPEGMessage(decoder) })
    }
    guard options.applyOrientation else { return image }
    return try image.turned(exifOrientation(of: bytes, format: format))
  }

  private static func run(
    source: String, format: ImageFormat, limit: Int,
    header: (UnsafeMutablePointer<UInt32>, UnsafeMutablePointer<UInt32>) -> CodecStatus,
    read: (UnsafeMutablePointer<UInt8>) -> CodecStatus,
    message: () -> UnsafePointer<CChar>?
  ) throws(ImageError) -> RGBImage {
    func check(_ status: CodecStatus, bytes: Int) throws(ImageError) {
      switch status {
      case CODEC_OK: return
      case CODEC_TRUNCATED: throw .truncated(source: source, format: format)
      case CODEC_MEMORY: throw .outOfMemory(bytes: bytes)
      default:
        throw .damaged(source: source, format: format, cause: message().map { String(cString: $0) } ?? "unknown error")
      }
    }
    var width: UInt32 = 0, height: UInt32 = 0
    try check(header(&width, &height), bytes: 0)
    try RGBImage.check(width: Int(width), height: Int(height), limit: limit, source: source)
    let image = try RGBImage(unwrittenWidth: Int(width), height: Int(height))
    try check(read(image.pixels), bytes: image.byteCount)
    return image
  }
}

/// A whole file in memory. Read rather than mapped: a mapped file that another process shortens kills the reader.
private final class FileBytes {
  let bytes: UnsafeRawBufferPointer
  private let memory: UnsafeMutableRawPointer

  static let maximumBytes = 1 << 30

  init(path name: UnsafePointer<CChar>) throws(ImageError) {
    let path = String(cString: name)
    // Without O_NONBLOCK, opening a named pipe would wait for its writer.
    let file = shims_open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0)
    guard file >= 0 else { throw .cannotRead(source: path, code: shims_errno()) }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0 else { throw .cannotRead(source: path, code: shims_errno()) }
    guard status.st_mode & mode_t(S_IFMT) == mode_t(S_IFREG) else { throw .notAFile(source: path) }
    let size = Int(status.st_size)
    guard size <= FileBytes.maximumBytes else {
      throw .fileTooLarge(source: path, bytes: size, limit: FileBytes.maximumBytes)
    }
    guard let memory = malloc(max(1, size)) else { throw .outOfMemory(bytes: size) }
    var filled = 0
    while filled < size {
      let count = read(file, memory + filled, size - filled)
      if count < 0 && shims_errno() == EINTR { continue }
      if count < 0 {
        let code = shims_errno()
        free(memory)
        throw .cannotRead(source: path, code: code)
      }
      if count == 0 { break }
      filled += count
    }
    self.memory = memory
    bytes = UnsafeRawBufferPointer(start: memory, count: filled)
  }

  deinit { free(memory) }
}
