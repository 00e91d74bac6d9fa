// SPDX-License-Identifier: Apache-2.0

import Shims

/// What can be wrong with an image or with what was asked of it. `source` is the file's path, or what the image is called that
/// came from memory.
package enum ImageError: Error {
  /// The file could not be opened or read; `code` is errno.
  case cannotRead(source: String, code: Int32)
  case notAFile(source: String)
  case fileTooLarge(source: String, bytes: Int, limit: Int)
  /// Neither PNG nor JPEG by its first bytes; `found` is what they say instead.
  case unknownFormat(source: String, found: ForeignPicture?)
  case truncated(source: String, format: ImageFormat)
  /// `cause` is the decoding library's own text.
  case damaged(source: String, format: ImageFormat, cause: String)
  case tooManyPixels(source: String, width: Int, height: Int, limit: Int)
  /// A side beyond `limit` pixels.
  case tooLong(source: String, width: Int, height: Int, limit: Int)
  /// Reading it takes more memory than there is room for; no size where the file alone does.
  case overBudget(source: String, width: Int, height: Int, bytes: Int, room: Int)
  case outOfMemory(source: String, bytes: Int)
  /// The caller asked to stop.
  case stopped
  /// A size, stride or rectangle that makes no sense; `what` is the whole sentence.
  case badArgument(what: String)

  package var description: String {
    switch self {
    case .cannotRead(let source, let code):
      return "\(source): cannot be read: \(String(cString: strerror(code)))."
    case .notAFile(let source):
      return "\(source): is not a regular file."
    case .fileTooLarge(let source, let bytes, let limit):
      return "\(source): has \(bytes) bytes; an image file may have \(limit)."
    case .unknownFormat(let source, let found):
      guard let found else { return "\(source): is neither a PNG nor a JPEG image." }
      return "\(source): is neither a PNG nor a JPEG image: \(found.description)."
    case .truncated(let source, let format):
      return "\(source): the \(format.name) image ends too early; the file is truncated."
    case .damaged(let source, let format, let cause):
      return "\(source): the \(format.name) image is damaged: \(cause)."
    case .tooManyPixels(let source, let width, let height, let limit):
      return "\(source): has \(width) × \(height) pixels; \(limit) in all are allowed."
    case .tooLong(let source, let width, let height, let limit):
      return "\(source): has \(width) × \(height) pixels; a side may have \(limit)."
    case .overBudget(let source, 0, _, let bytes, let room):
      return "\(source): has \(bytes) bytes; \(room) are left for it."
    case .overBudget(let source, let width, let height, let bytes, let room):
      return "\(source): reading \(width) × \(height) pixels of this kind takes \(bytes) bytes; \(room) are left for it."
    case .outOfMemory(let source, let bytes):
      return "\(source): no memory for \(bytes) bytes of image data."
    case .stopped:
      return "Reading the image was stopped."
    case .badArgument(let what):
      return what
    }
  }
}

extension ImageError {
  /// The same error, with the image's name where work on it ran out of memory.
  func naming(_ source: String) -> ImageError {
    guard case .outOfMemory(_, let bytes) = self else { return self }
    return .outOfMemory(source: source, bytes: bytes)
  }
}

/// The encoded formats that can be read.
package enum ImageFormat {
  case png, jpeg

  package var name: String {
    switch self {
    case .png: return "PNG"
    case .jpeg: return "JPEG"
    }
  }

  /// The format the first bytes announce; nil for anything else.
  init?(_ bytes: UnsafeRawBufferPointer) {
    if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
      self = .png
    } else if bytes.starts(with: [0xFF, 0xD8, 0xFF]) {
      self = .jpeg
    } else {
      return nil
    }
  }
}
