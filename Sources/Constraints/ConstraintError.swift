// SPDX-License-Identifier: Apache-2.0

/// Why a constraint cannot be used.
package enum ConstraintError: Error, Equatable {
  /// A regular expression, grammar or JSON text that is malformed, or asks for what is not supported; line and column from 1.
  case syntax(line: Int, column: Int, problem: String)
  /// A part of a JSON Schema, by its JSON pointer.
  case schema(pointer: String, problem: String)
  /// A rule of a grammar.
  case rule(name: String, problem: String)
  /// No answer at all satisfies it.
  case unsatisfiable
  /// More than the library takes, in its text or while it is followed.
  case tooLarge(String)
  /// Tables have grown to their limit: they can be made anew. Never leaves this module.
  case cachesFull
  /// The vocabulary has no token for what must come next.
  case unspellable
  /// `isStopped` said so.
  case stopped
  case outOfMemory(bytes: Int)

  package var description: String {
    switch self {
    case .syntax(let line, let column, let problem): "line \(line), column \(column): \(problem)"
    case .schema(let pointer, let problem): "\(pointer.isEmpty ? "the schema" : pointer): \(problem)"
    case .rule(let name, let problem): "rule \(name): \(problem)"
    case .unsatisfiable: "no answer can satisfy it"
    case .tooLarge(let what): what
    case .cachesFull: "tables have grown to their limit"
    case .unspellable: "the model's vocabulary cannot write what must come next"
    case .stopped: "stopped"
    case .outOfMemory(let bytes): "no memory for \(bytes) bytes"
    }
  }
}

/// What one compilation may take, and who stops it.
package struct ConstraintBounds {
  let isStopped: () -> Bool

  package init(isStopped: @escaping () -> Bool = { false }) { self.isStopped = isStopped }

  /// Longest text of a constraint, in bytes.
  package static var textLimit: Int { 1 << 20 }
  /// Nodes of expressions and of the program made of them.
  static var nodeLimit: Int { 1 << 20 }
  /// Most times that anything is repeated: far more than an answer has bytes. A larger upper bound means this one.
  static var countLimit: Int { (1 << 20) - 1 }
  /// Groups within groups, values within values.
  static var depthLimit: Int { 128 }

  /// Asked with a growing count; looks at `isStopped` every few thousand.
  func check(_ steps: Int) throws(ConstraintError) {
    if steps & 0xFFF == 0, isStopped() { throw .stopped }
  }
}
