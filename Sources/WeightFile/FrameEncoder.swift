// SPDX-License-Identifier: Apache-2.0
import CZstd

/// Compresses frames, each with the codec that makes it smallest. Holds a zstd context and scratch memory that the next frame reuses; one thread at a
/// time.
final class FrameEncoder {
  /// Weights have no matches worth finding, only skewed byte values, which entropy coding uses: levels 3 and 19 give the size of level 1, which
  /// decodes fastest.
  private static let level: Int32 = 1

  private let context: OpaquePointer
  private var plain: OwnedBytes?
  private var planes: OwnedBytes?
  private var planesOut: OwnedBytes?

  /// nil when there is no memory.
  init?() {
    guard let context = ZSTD_createCCtx() else { return nil }
    self.context = context
  }

  deinit { ZSTD_freeCCtx(context) }

  /// What to store for a frame; `bytes` stay valid until the next call.
  struct Result {
    let codec: FrameCodec
    let bytes: UnsafeRawPointer
    let count: Int
  }

  /// - Parameter planesCodec: the codec to try beside `.zstd`, which suits the tensor's elements; nil for none.
  /// - Returns: nil when there is no memory.
  func encode(_ source: UnsafeRawPointer, count: Int, planesCodec: FrameCodec?) -> Result? {
    guard let plainOut = FrameEncoder.grow(&plain, count) else { return nil }
    var best = Result(codec: .raw, bytes: source, count: count)
    if let size = compress(source, count, plainOut), size < best.count {
      best = Result(codec: .zstd, bytes: plainOut, count: size)
    }
    if let codec = planesCodec, count % codec.planes == 0 {
      guard let apart = FrameEncoder.grow(&planes, count), let out = FrameEncoder.grow(&planesOut, count) else { return nil }
      splitPlanes(source, apart, size: count, planes: codec.planes)
      if let size = compress(apart, count, out), size < best.count { best = Result(codec: codec, bytes: out, count: size) }
    }
    return best
  }

  /// The compressed size; nil when the bytes do not get smaller (the target has room for `count` bytes only).
  private func compress(_ source: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutableRawPointer) -> Int? {
    let size = ZSTD_compressCCtx(context, target, count, source, count, FrameEncoder.level)
    return ZSTD_isError(size) == 0 ? size : nil
  }

  private static func grow(_ bytes: inout OwnedBytes?, _ size: Int) -> UnsafeMutableRawPointer? {
    if let bytes, bytes.count >= size { return bytes.base }
    bytes = nil
    bytes = OwnedBytes(size)
    return bytes?.base
  }
}
