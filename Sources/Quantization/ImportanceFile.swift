// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles

/// The importance of each input of a model's matrices, as measured by `fovea calibrate`.
///
/// A safetensors file. For each matrix `NAME` of the weight file (`language.layers.0.attn.qkv.weight`) it holds
/// - `NAME.meanSquares`, F32 `[inputs]`: the mean of x² of each input;
/// - `NAME.rows`, I64 `[1]`: the number of vectors x;
/// - `NAME.moments`, F32 `[inputs, block]`, if requested: row i holds the means of x_i·x_j for the inputs j of i's block of neighbours.
/// Matrices that were never used are omitted.
package final class ImportanceFile: Sendable {
  package enum Part: String, CaseIterable {
    case meanSquares, rows, moments

    func name(of matrix: String) -> String { "\(matrix).\(rawValue)" }
  }

  /// Names of the matrices, in the file's order.
  package let matrices: [String]
  private let file: SafetensorsFile
  private let path: String
  private let hasMoments: Set<String>

  /// - Throws: `.cannotRead`, `.malformed`, `.unsupported`.
  package init(path: String) throws {
    let file = try SafetensorsFile(path: path)
    func malformed(_ detail: String) -> ConversionError { .malformed(file: path, detail: detail) }
    var matrices: [String] = []
    var hasMoments: Set<String> = []
    for info in file.tensors {
      guard let part = Part.allCases.first(where: { info.name.hasSuffix("." + $0.rawValue) }) else {
        throw malformed("tensor \(info.name) has no place in an importance file")
      }
      let matrix = String(info.name.dropLast(part.rawValue.count + 1))
      let inputs = file.info(Part.meanSquares.name(of: matrix))?.shape.first ?? 0
      let isShape =
        switch part {
        case .meanSquares: info.shape == [inputs]
        case .rows: info.shape == [1]
        case .moments: info.shape.count == 2 && info.shape[0] == inputs && (1...max(inputs, 1)).contains(info.shape[1])
        }
      guard inputs > 0, isShape, info.type == (part == .rows ? .i64 : .f32) else {
        throw malformed("tensor \(info.name) is \(info.type.rawValue) \(info.shape), which an importance file does not have")
      }
      if part == .meanSquares { matrices.append(matrix) }
      if part == .moments { hasMoments.insert(matrix) }
    }
    guard !matrices.isEmpty else { throw malformed("holds no matrix: it is no importance file") }
    self.file = file
    self.path = path
    self.matrices = matrices
    self.hasMoments = hasMoments
  }

  /// Checks that the file belongs to this model.
  /// - Parameter planned: names and shapes of the model's tensors.
  package func check(against planned: [PlannedTensor]) throws {
    let inputs = Dictionary(planned.map { ($0.name, $0.shape.dropFirst().reduce(1, *)) }, uniquingKeysWith: { first, _ in first })
    for matrix in matrices {
      let found = file.info(Part.meanSquares.name(of: matrix))?.shape.first ?? 0
      guard inputs[matrix] == found else {
        throw ConversionError.malformed(
          file: path,
          detail: inputs[matrix].map { "\(matrix) has \(found) inputs here and \($0) in the model" }
            ?? "\(matrix) is no matrix of the model")
      }
    }
  }

  /// Mean of x² of each input; nil where the matrix was never used.
  package func meanSquares(of matrix: String) throws -> [Float]? {
    guard let values = try values(.meanSquares, of: matrix) else { return nil }
    guard values.allSatisfy({ $0.isFinite && $0 >= 0 }) else {
      throw ConversionError.malformed(file: path, detail: "tensor \(Part.meanSquares.name(of: matrix)) holds what no mean of squares is")
    }
    return values
  }

  /// Means of x_i·x_j, `[inputs, block]`; nil where they were not measured.
  package func moments(of matrix: String) throws -> [Float]? {
    guard hasMoments.contains(matrix), let values = try values(.moments, of: matrix) else { return nil }
    guard values.allSatisfy(\.isFinite) else {
      throw ConversionError.malformed(file: path, detail: "tensor \(Part.moments.name(of: matrix)) holds a number that is not finite")
    }
    return values
  }

  private func values(_ part: Part, of matrix: String) throws -> [Float]? {
    try file.info(part.name(of: matrix)).map { try file.readAll($0) }
  }
}
