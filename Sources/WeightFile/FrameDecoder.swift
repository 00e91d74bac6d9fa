// SPDX-License-Identifier: Apache-2.0
import CZstd

/// Decodes frames. Holds a zstd context and scratch memory that the next frame reuses; one thread at a time.
final class FrameDecoder {
  private let context: OpaquePointer
  private var stored: OwnedBytes?
  private var planes: OwnedBytes?
  private var dropped: OwnedBytes?

  /// nil when there is no memory.
  init?() {
    guard let context = ZSTD_createDCtx() else { return nil }
    self.context = context
  }

  deinit { ZSTD_freeDCtx(context) }

  /// At least `size` bytes for a frame's stored bytes; valid until the next call.
  func storedBuffer(_ size: Int) -> UnsafeMutableRawPointer? { FrameDecoder.grow(&stored, size) }

  /// At least `size` bytes for a frame that is decoded only to be checked; valid until the next call.
  func droppedBuffer(_ size: Int) -> UnsafeMutableRawPointer? { FrameDecoder.grow(&dropped, size) }

  enum Outcome { case done, damaged, outOfMemory }

  /// Decodes `frame`, whose stored bytes are at `source`, into `frame.decodedSize` bytes at `target`.
  func decode(_ frame: Frame, from source: UnsafeRawPointer, into target: UnsafeMutableRawPointer) -> Outcome {
    let size = frame.decodedSize
    switch frame.codec {
    case .raw:
      target.copyMemory(from: source, byteCount: size)
      return .done
    case .zstd:
      return decompress(frame, source, target) ? .done : .damaged
    case .zstdPlanes2, .zstdPlanes4:
      guard let apart = FrameDecoder.grow(&planes, size) else { return .outOfMemory }
      guard decompress(frame, source, apart) else { return .damaged }
      joinPlanes(apart, target, size: size, planes: frame.codec.planes)
      return .done
    }
  }

  private func decompress(_ frame: Frame, _ source: UnsafeRawPointer, _ target: UnsafeMutableRawPointer) -> Bool {
    // A size that zstd reports as an error code is larger than any frame, so one comparison covers both.
    ZSTD_decompressDCtx(context, target, frame.decodedSize, source, frame.storedSize) == frame.decodedSize
  }

  private static func grow(_ bytes: inout OwnedBytes?, _ size: Int) -> UnsafeMutableRawPointer? {
    if let bytes, bytes.count >= size { return bytes.base }
    bytes = nil
    bytes = OwnedBytes(size)
    return bytes?.base
  }
}
