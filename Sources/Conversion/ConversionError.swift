// SPDX-License-Identifier: Apache-2.0

/// Why a checkpoint could not be converted. Every case carries what a person needs to find the place.
package enum ConversionError: Error, Equatable, CustomStringConvertible {
  /// The operating system refused (`reason` is its text).
  case cannotRead(path: String, reason: String)
  /// The file breaks its own format.
  case malformed(file: String, detail: String)
  /// A pickle names something other than tensor rebuilding.
  case refusedGlobal(file: String, name: String)
  case unsupported(String)
  case missingFile(directory: String, looked: [String])
  case badConfig(file: String, key: String, detail: String)
  /// Tensors the system needs and the checkpoint lacks; tensors nothing claims; tensors of another shape.
  case tensors(missing: [String], unknown: [String], misshapen: [String])
  case duplicateTensor(String)
  /// NaN, infinity, or beyond what the chosen type can hold.
  case notRepresentable(tensor: String, row: Int, detail: String)
  case badOption(String)

  package var description: String {
    switch self {
    case .cannotRead(let path, let reason): "cannot read \(path): \(reason)"
    case .malformed(let file, let detail): "\(file): \(detail)"
    case .refusedGlobal(let file, let name):
      "\(file): the pickle asks for \(name); only tensor rebuilding is allowed, so the file is refused"
    case .unsupported(let what): "not supported: \(what)"
    case .missingFile(let directory, let looked): "\(directory) has none of: \(looked.joined(separator: ", "))"
    case .badConfig(let file, let key, let detail): "\(file): \(key): \(detail)"
    case .tensors(let missing, let unknown, let misshapen):
      [("missing tensors", missing), ("unknown tensors", unknown), ("tensors of another shape", misshapen)]
        .filter { !$0.1.isEmpty }
        .map { "\($0.0) (\($0.1.count)):\n" + $0.1.map { "  \($0)" }.joined(separator: "\n") }
        .joined(separator: "\n")
    case .duplicateTensor(let name): "tensor \(name) is there twice"
    case .notRepresentable(let tensor, let row, let detail): "tensor \(tensor), row \(row): \(detail)"
    case .badOption(let what): what
    }
  }
}
