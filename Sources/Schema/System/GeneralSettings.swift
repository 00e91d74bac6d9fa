// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// A part of a system in a file of its own.
package enum FilePart: Spelled {
  /// All that is needed to answer about images that were encoded elsewhere.
  case decoder
  /// All that encoding an image needs.
  case vision

  package var spelling: StaticString {
    switch self {
    case .decoder: "decoder"
    case .vision: "vision"
    }
  }
}

/// What a file is, and where it comes from.
package struct GeneralSettings: Settings {
  package static let scope = "general"

  package var system = ""
  package var name = "", source = "", licence = ""
  package var type = ""
  package var identity: [UInt8] = []
  package var part: FilePart?

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.string("system", &system, "The system, one of those that the library knows.")
    try f.string("name", &name, default: "", "What the model is called.")
    try f.string("source", &source, default: "", "The checkpoint that it was converted from.")
    try f.string("licence", &licence, default: "", "Licence of the weights.")
    try f.bytes("identity", &identity, "Of a file made of another by packing or splitting: 16 bytes that name the first one.")
    try f.choice("part", &part, "Of a file split off a whole system: which part it has the tensors of.")
    try f.string(
      "type", &type, default: "",
      "What most weights are: `f32`, `f16`, `int8`, `int6`, `int5` or `int4`. With `f32`, keys and values are kept as f32 too.")
  }

  /// The error for a system that is none of `known`.
  package static func unknownSystem(_ name: String, known: String, file: String) -> WeightFileError {
    .metadataMismatch(file: file, key: "\(scope).system", found: name, expected: known)
  }

  /// Whether the weights are exact.
  package var isFloat32: Bool { type.utf8.elementsEqual("f32".utf8) }
}
