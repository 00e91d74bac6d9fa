// SPDX-License-Identifier: Apache-2.0

/// Why a checkpoint could not be converted. Every case has the facts that locate the problem.
package enum ConversionError: Error, Equatable, CustomStringConvertible {
  /// The operating system reported an error; `reason` is its message.
  case cannotRead(path: String, reason: String)
  /// The file violates its format.
  case malformed(file: String, detail: String)
  /// A pickle refers to a global other than those that rebuild tensors.
  case refusedGlobal(file: String, name: String)
  case unsupported(String)
  case missingFile(directory: String, looked: [String])
  case badConfig(file: String, key: String, detail: String)
  /// Tensors that the system needs and the checkpoint lacks; unused tensors; tensors of another shape.
  case tensors(missing: [String], unknown: [String], misshapen: [String])
  case duplicateTensor(String)
  /// NaN, infinity, or beyond the range of the chosen type.
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
