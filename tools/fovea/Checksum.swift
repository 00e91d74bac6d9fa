// SPDX-License-Identifier: Apache-2.0
import CFovea
import WeightFile

/// What records know contents by: xxh64.
enum Checksum {
  static func of(_ bytes: [UInt8]) -> String { digits(xxh64(bytes, bytes.count)) }

  /// Of a file of any size: the checksum of those of its pieces.
  static func of(_ file: FilePath) throws(LibraryError) -> String {
    let sums: [UInt64]
    do throws(WeightFileError) { sums = try ofPieces(file) } catch {
      throw LibraryError(status: fovea_status(FOVEA_ERROR_IO), description: "\(error.description).")
    }
    return digits(xxh64(sums, sums.count * MemoryLayout<UInt64>.stride))
  }

  private static func ofPieces(_ path: FilePath) throws(WeightFileError) -> [UInt64] {
    let file = try InputFile(path: path.cString)
    var piece = [UInt8](repeating: 0, count: 1 << 20)
    var sums: [UInt64] = []
    for start in stride(from: 0, to: file.count, by: piece.count) {
      let count = min(piece.count, file.count - start)
      try file.read(at: start, count: count, into: &piece)
      sums.append(xxh64(piece, count))
    }
    return sums
  }

  /// 16 hexadecimal digits.
  static func digits(_ sum: UInt64) -> String {
    let digits = String(sum, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
