// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Schema

/// A SentencePiece BPE tokenizer: its pieces and the options of its normaliser.
package struct SentencePieceModel: Equatable {
  /// Numbers of `ModelProto.SentencePiece.Type`.
  enum Kind: Int {
    case normal = 1
    case unknown, control, userDefined, unused, byte
  }

  package var pieces: [String] = []
  package var scores: [Double] = []
  package var kinds: [Int] = []
  /// "left right", first one first, where scores cannot express the same order.
  package var merges: [String]?
  package var unknown = 0, bos = 1, eos = 2, pad = -1
  package var addDummyPrefix = true, removeExtraWhitespaces = true, escapeWhitespaces = true
  /// Precompiled map of the normaliser; empty is the identity.
  package var charsMap: [UInt8] = []

  init() {}

  /// Reads a `tokenizer.model` (SentencePiece's ModelProto).
  /// - Throws: `.malformed`, or `.unsupported` for models that are not BPE.
  package init(path: String) throws {
    let file = try MappedFile(path: path)
    self = try file.withBytes { try SentencePieceModel($0, file: file.name) }
  }

  package init(_ bytes: UnsafeRawBufferPointer, file: String) throws {
    func malformed(_ detail: String) -> ConversionError { .malformed(file: file, detail: detail) }
    var message = ProtobufReader(bytes, file: file)
    var type = 1  // unigram is the format's default
    while let (field, value) = try message.next() {
      guard case .bytes(let inner) = value else { continue }
      switch field {
      case 1: try addPiece(inner, file)
      case 2:
        var spec = ProtobufReader(inner, file: file)
        while let (field, value) = try spec.next() {
          guard case .varint(let number) = value else { continue }
          // Ids are int32, sign-extended to 64 bits; −1: none.
          let id = Int(truncatingIfNeeded: Int32(truncatingIfNeeded: number))
          switch field {
          case 3: type = id
          case 40: unknown = id
          case 41: bos = id
          case 42: eos = id
          case 43: pad = id
          default: break
          }
        }
      case 3:
        var spec = ProtobufReader(inner, file: file)
        while let (field, value) = try spec.next() {
          switch (field, value) {
          case (2, .bytes(let map)): charsMap = Array(map)
          case (3, .varint(let flag)): addDummyPrefix = flag != 0
          case (4, .varint(let flag)): removeExtraWhitespaces = flag != 0
          case (5, .varint(let flag)): escapeWhitespaces = flag != 0
          default: break
          }
        }
      default: break
      }
    }
    guard !pieces.isEmpty else { throw malformed("no pieces; not a SentencePiece model") }
    guard type == 2 else { throw ConversionError.unsupported("\(file): a SentencePiece model that is not BPE") }
    for (name, id) in [("unk", unknown), ("bos", bos), ("eos", eos), ("pad", pad)] where id >= pieces.count || id < -1 {
      throw malformed("\(name) id \(id) is not one of \(pieces.count) pieces")
    }
  }

  private mutating func addPiece(_ bytes: UnsafeRawBufferPointer, _ file: String) throws {
    var reader = ProtobufReader(bytes, file: file)
    var text = ""
    var score: Float = 0
    var kind = Kind.normal.rawValue
    while let (field, value) = try reader.next() {
      switch (field, value) {
      case (1, .bytes(let piece)):
        guard let valid = String(validating: piece, as: UTF8.self) else {
          throw ConversionError.malformed(file: file, detail: "piece \(pieces.count) is not UTF-8")
        }
        text = valid
      case (2, .fixed32(let bits)): score = Float(bitPattern: bits)
      case (3, .varint(let number)): kind = Int(truncatingIfNeeded: number)
      default: break
      }
    }
    guard Kind(rawValue: kind) != nil, score.isFinite else {
      throw ConversionError.malformed(file: file, detail: "piece \(pieces.count) has type \(kind), score \(score)")
    }
    pieces.append(text)
    scores.append(Double(score))
    kinds.append(kind)
  }
}

extension SentencePieceModel {
  func settings(_ prefixRule: SentencePieceSettings.PrefixRule) -> SentencePieceSettings {
    var s = SentencePieceSettings()
    (s.pieces, s.scores, s.types, s.charsMap) = (pieces.map { Array($0.utf8) }, scores, kinds, charsMap)
    s.merges = merges?.map { Array($0.utf8) }
    (s.addDummyPrefix, s.prefixRule) = (addDummyPrefix, prefixRule)
    (s.removeExtraWhitespaces, s.escapeWhitespaces) = (removeExtraWhitespaces, escapeWhitespaces)
    return s
  }
}
