// SPDX-License-Identifier: Apache-2.0
import ImageCodecs
import WeightFile

/// An RGB PNG file that is written row by row.
final class PNGFile {
  private let file: OutputFile
  private var writer: OpaquePointer?
  private var offset = 0
  private var failure: WeightFileError?

  init(path: String, width: Int, height: Int) throws {
    file = try OutputFile(path: path)
    let take: CodecWrite = { user, bytes, count in
      guard let user, let bytes else { return 1 }
      return Unmanaged<PNGFile>.fromOpaque(user).takeUnretainedValue().write(bytes, count) ? 0 : 1
    }
    writer = codecPNGCreate(UInt32(width), UInt32(height), take, Unmanaged.passUnretained(self).toOpaque())
    if writer == nil { throw problem }
  }

  deinit { codecPNGWriterClose(writer) }

  /// The next row, of three bytes per pixel.
  func append(_ row: UnsafePointer<UInt8>) throws {
    guard let writer, codecPNGWriteRow(writer, row) == 0 else { throw problem }
  }

  /// Finishes the file after the last row.
  func commit() throws {
    guard let writer, codecPNGFinish(writer) == 0 else { throw problem }
    try file.commit()
  }

  private var problem: any Error { failure ?? CommandFailure(.memory, "\(file.path): no memory for the picture") }

  private func write(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Bool {
    do throws(WeightFileError) {
      try file.write(bytes, count: count, at: offset)
      offset += count
      return true
    } catch {
      failure = error
      return false
    }
  }
}
