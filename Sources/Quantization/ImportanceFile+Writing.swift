// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Runtime
import WeightFile

extension ImportanceFile {
  /// Writes the statistics of a run; the file appears under its name only when it is complete.
  /// - Parameters:
  ///   - matrices: names and addresses of the model's matrices.
  ///   - model: its name, for the file's metadata.
  /// - Returns: names of the matrices that were never used, which the file omits.
  /// - Throws: `.badOption` when nothing was measured, `.notRepresentable` for sums that are not finite, and `WeightFileError`.
  package static func write(
    _ statistics: InputStatistics, of matrices: [(name: String, data: UnsafeRawPointer)], model: String, to path: String
  ) throws -> [String] {
    let measured = matrices.compactMap { matrix in statistics[matrix.data].map { (name: matrix.name, sums: $0) } }
    guard !measured.isEmpty else { throw ConversionError.badOption("nothing passed the model, so nothing was measured") }
    var header = "{\"__metadata__\":{\"format\":\"fovea-importance\",\"model\":\(quoted(model))}"
    var length = 0
    func announce(_ part: Part, of name: String, _ type: String, _ shape: [Int], size: Int) {
      let end = length + shape.reduce(size, *)
      header += ",\(quoted(part.name(of: name))):{\"dtype\":\"\(type)\",\"shape\":\(shape),\"data_offsets\":[\(length),\(end)]}"
      length = end
    }
    for (name, _) in measured { announce(.rows, of: name, "I64", [1], size: 8) }
    for (name, sums) in measured {
      announce(.meanSquares, of: name, "F32", [sums.inputs], size: 4)
      if !sums.products.isEmpty { announce(.moments, of: name, "F32", [sums.inputs, sums.block], size: 4) }
    }
    header += "}"
    while header.utf8.count % 8 != 0 { header += " " }

    let output = try OutputFile(path: path)
    var place = 0
    func write(_ bytes: [UInt8]) throws {
      try output.write(bytes, at: place)
      place += bytes.count
    }
    try write(bytes([UInt64(header.utf8.count).littleEndian]) + Array(header.utf8))
    try write(bytes(measured.map { Int64($0.sums.rows).littleEndian }))
    for (name, sums) in measured {
      let means = sums.squares.map { Float($0 / Double(sums.rows)) }
      guard means.allSatisfy(\.isFinite) else {
        throw ConversionError.notRepresentable(tensor: name, row: 0, detail: "its inputs are not finite")
      }
      try write(bytes(means))
      if !sums.products.isEmpty { try write(bytes(mirrored(sums))) }
    }
    try output.commit()
    let names = Set(measured.map(\.name))
    return matrices.map(\.name).filter { !names.contains($0) }
  }

  /// Mean products of inputs, with both triangles of each block.
  private static func mirrored(_ sums: InputStatistics.Sums) -> [Float] {
    var out = sums.products.map { $0 / Float(sums.rows) }
    for i in 0..<sums.inputs {
      let start = i / sums.block * sums.block
      for j in start..<i { out[i * sums.block + j - start] = out[j * sums.block + i - start] }
    }
    return out
  }

  private static func bytes<T>(_ values: [T]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }

  private static func quoted(_ text: String) -> String { String(decoding: jsonQuoted(text.utf8), as: UTF8.self) }
}
