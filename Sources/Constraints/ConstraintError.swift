// SPDX-License-Identifier: Apache-2.0

/// Why a constraint cannot be compiled or followed.
package enum ConstraintError: Error, Equatable {
  /// A malformed or unsupported part of a regular expression, grammar or JSON text; line and column from 1.
  case syntax(line: Int, column: Int, problem: String)
  /// A part of a JSON Schema, by its JSON pointer.
  case schema(pointer: String, problem: String)
  /// A rule of a grammar.
  case rule(name: String, problem: String)
  /// No answer satisfies it.
  case unsatisfiable
  /// Beyond a limit, in its text or during matching.
  case tooLarge(String)
  /// The tables have reached their limit and can be rebuilt. Never leaves this module.
  case cachesFull
  /// No token of the vocabulary can continue the answer.
  case unspellable
  /// `isStopped` returned true.
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

/// Limits of one compilation, and its cancellation.
package struct ConstraintBounds {
  let isStopped: () -> Bool

  package init(isStopped: @escaping () -> Bool = { false }) { self.isStopped = isStopped }

  /// Longest text of a constraint, in bytes.
  package static var textLimit: Int { 1 << 20 }
  /// Nodes of expressions, and of the program compiled from them.
  static var nodeLimit: Int { 1 << 20 }
  /// Most repetitions: far more than an answer has bytes. A larger upper bound is clamped to it.
  static var countLimit: Int { (1 << 20) - 1 }
  /// Nesting of groups and of values.
  static var depthLimit: Int { 128 }

  /// Called with an increasing count; calls `isStopped` every few thousand.
  func check(_ steps: Int) throws(ConstraintError) {
    if steps & 0xFFF == 0, isStopped() { throw .stopped }
  }
}
