// SPDX-License-Identifier: Apache-2.0
import CFovea
import Glibc
import WeightFile

/// What records know contents by: xxh64.
enum Checksum {
  static func of(_ bytes: [UInt8]) -> String { digits(xxh64(bytes, bytes.count)) }

  /// Of a file of any size: the checksum of those of its pieces.
  static func of(_ path: FilePath) throws(LibraryError) -> String {
    do throws(WeightFileError) {
      let file = try InputFile(path: path.cString)
      return try ofPieces { (at, piece) throws(WeightFileError) in
        let count = min(piece.count, file.count - at)
        if count > 0 { try file.read(at: at, count: count, into: &piece) }
        return count
      }
    } catch { throw LibraryError(status: fovea_status(FOVEA_ERROR_IO), description: "\(error.description).") }
  }

  /// The same of an open file, whose offset stays.
  /// - Parameter name: for messages.
  static func of(descriptor: Int32, name: String) throws(LibraryError) -> String {
    try ofPieces { (at, piece) throws(LibraryError) in
      var count = 0
      while count < piece.count {
        let read = piece.withUnsafeMutableBytes { bytes in
          let rest = UnsafeMutableRawBufferPointer(rebasing: bytes[count...])
          return pread(descriptor, rest.baseAddress, rest.count, off_t(at + count))
        }
        if read < 0, errno == EINTR { continue }
        guard read >= 0 else {
          throw LibraryError(status: fovea_status(FOVEA_ERROR_IO), description: "\(name): cannot be read: \(String(cString: strerror(errno))).")
        }
        if read == 0 { break }
        count += read
      }
      return count
    }
  }

  /// - Parameter read: fills as much of a piece as there is from a place of the file on, and tells how much; 0 at its end.
  private static func ofPieces<Failure>(_ read: (_ at: Int, _ piece: inout [UInt8]) throws(Failure) -> Int) throws(Failure) -> String {
    var piece = [UInt8](repeating: 0, count: 1 << 20)
    var sums: [UInt64] = []
    var at = 0
    while true {
      let count = try read(at, &piece)
      guard count > 0 else { break }
      sums.append(xxh64(piece, count))
      at += count
    }
    return digits(xxh64(sums, sums.count * MemoryLayout<UInt64>.stride))
  }

  /// 16 hexadecimal digits.
  static func digits(_ sum: UInt64) -> String {
    let digits = String(sum, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
