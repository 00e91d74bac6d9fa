// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CFovea
import Shims

/// The constraint on an answer.
struct ConstraintOptions: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: "The answer is JSON that is valid under a JSON Schema (2020-12): a file, or the schema's text, which begins with {.", completion: .file())
  var jsonSchema: FilePath?

  @Option(parsing: .unconditional, help: "The answer is a text that this regular expression matches as a whole.", transform: validText)
  var regex: String?

  @Option(
    parsing: .unconditional, help: "The answer is a text of a grammar in GBNF: a file, or the grammar's text, which has ::= in it.",
    completion: .file())
  var grammar: FilePath?

  @Option(
    parsing: .upToNextOption, help: "The answer is one of these texts; with --json also how likely each is, given that it is one of them.",
    transform: validText)
  var choices: [String] = []

  private var given: Int { [jsonSchema != nil, regex != nil, grammar != nil, !choices.isEmpty].filter { $0 }.count }

  var isGiven: Bool { given > 0 }

  func validate() throws {
    if given > 1 { throw ValidationError("--json-schema, --regex, --grammar and --choices exclude each other.") }
  }

  /// FOVEA_CONSTRAINT_… and its text; nil: no constraint.
  func constraint() throws -> (kind: Int32, text: String)? {
    if let regex { return (Int32(FOVEA_CONSTRAINT_REGEX), regex) }
    if let jsonSchema {
      let isText = jsonSchema.bytes.first { $0 > 0x20 } == UInt8(ascii: "{")
      return (Int32(FOVEA_CONSTRAINT_JSON_SCHEMA), try isText ? jsonSchema.utf8() : contents(jsonSchema, "--json-schema"))
    }
    if let grammar {
      let isText = grammar.description.contains("::=")
      return (Int32(FOVEA_CONSTRAINT_GRAMMAR), try isText ? grammar.utf8() : contents(grammar, "--grammar"))
    }
    return nil
  }

  private func contents(_ file: FilePath, _ option: String) throws -> String {
    let descriptor = shims_open(file.cString, O_RDONLY | O_CLOEXEC, 0)
    guard descriptor >= 0, let bytes = readAll(descriptor) else {
      throw CommandFailure(.noInput, "\(option): \(file) cannot be read.")
    }
    close(descriptor)
    return try validText(bytes, "\(option): \(file)")
  }
}
