// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Schema

/// A byte-level BPE tokenizer without its added tokens, from any of its published file formats.
struct ByteLevelModel {
  typealias Pattern = ByteLevelSettings.Pattern
  typealias Composition = ByteLevelSettings.Composition

  /// By id; in the byte alphabet where there are merges, else the bytes themselves. Empty: an unused id.
  let pieces: [[UInt8]]
  /// "left right" in the byte alphabet, first one first; nil: ids are ranks.
  let merges: [String]?
  /// Applied one after the other, before `pattern`.
  var splits: [Pattern] = []
  var pattern: Pattern
  var composition = Composition.none
  /// A word that is itself a piece is not merged.
  var prefersWholeWords = false
  /// Each part that `splits` leave gets a leading space if it has none.
  var addsPrefixSpace = false
  /// The id of bytes without a piece; −1: none.
  var unknown = -1

  init(pieces: [[UInt8]], merges: [String]?, pattern: Pattern) {
    self.pieces = pieces
    self.merges = merges
    self.pattern = pattern
  }

  func id(of text: String) -> Int? { pieces.firstIndex { $0.elementsEqual(text.utf8) } }

  var settings: ByteLevelSettings {
    var s = ByteLevelSettings()
    (s.pieces, s.merges) = (pieces, merges?.map { Array($0.utf8) })
    (s.pattern, s.composition, s.wholeWords, s.addPrefixSpace) = (pattern, composition, prefersWholeWords, addsPrefixSpace)
    s.splits = splits
    s.unk = unknown >= 0 ? unknown : nil
    return s
  }

  /// The pieces of `"piece": id` pairs, in order of their ids.
  static func pieces(_ vocabulary: [(key: String, value: JSONValue)], file: String) throws -> [[UInt8]] {
    let ids = vocabulary.compactMap(\.value.int)
    guard let last = ids.max(), ids.count == vocabulary.count, last < 1 << 24 else {
      throw ConversionError.malformed(file: file, detail: "the vocabulary is empty, or an id is no number below \(1 << 24)")
    }
    var pieces = [[UInt8]](repeating: [], count: last + 1)
    for (entry, id) in zip(vocabulary, ids) {
      guard id >= 0, pieces[id].isEmpty, !entry.key.isEmpty else {
        throw ConversionError.malformed(file: file, detail: "id \(id) is negative, there twice, or of an empty piece")
      }
      pieces[id] = Array(entry.key.utf8)
    }
    return pieces
  }
}

extension ByteLevelModel {
  /// GPT-2's two files: `vocab.json`, and `merges.txt` with one merge per line.
  init(vocabulary: String, merges: String, settings: ConfigReader?) throws {
    guard let members = try JSONValue.read(vocabulary).members else {
      throw ConversionError.malformed(file: "vocab.json", detail: "not a JSON object")
    }
    let file = try MappedFile(path: merges)
    guard let text = file.withBytes({ String(validating: $0, as: UTF8.self) }) else {
      throw ConversionError.malformed(file: "merges.txt", detail: "not UTF-8")
    }
    // Not by Character: CR LF is a single Character.
    let lines = text.utf8.split(separator: UInt8(ascii: "\n")).map { String(Substring($0)) }
    self.init(
      pieces: try Self.pieces(members, file: "vocab.json"), merges: lines.filter { !$0.hasPrefix("#version") }, pattern: .gpt2)
    switch try settings?.string("tokenizer_class", default: "") ?? "" {
    case "", "GPT2Tokenizer", "GPT2TokenizerFast": break
    case "Qwen2Tokenizer", "Qwen2TokenizerFast":
      pattern = .qwen
      composition = .wholeText
    case let other: throw ConversionError.unsupported("tokenizer_config.json: tokenizer_class \(other) with vocab.json")
    }
    addsPrefixSpace = try settings?.bool("add_prefix_space", default: false) ?? false
  }

  /// The special tokens after Qwen's 151 643 ranks: the language model's, then those of Qwen-VL, which Monkey, Vary and GOT share.
  static let qwenSpecials =
    ["<|endoftext|>", "<|im_start|>", "<|im_end|>"] + (0..<205).map { "<|extra_\($0)|>" }
    + ["<ref>", "</ref>", "<box>", "</box>", "<quad>", "</quad>", "<img>", "</img>", "<imgpad>"]

  /// A `.tiktoken` file, a line of base64 and rank for each piece, with the pattern of Qwen's own tokenizer.
  init(tiktoken path: String) throws {
    let file = try MappedFile(path: path)
    var pieces: [[UInt8]] = []
    try file.withBytes { bytes in
      for line in bytes.split(separator: UInt8(ascii: "\n")) {
        let parts = line.split(separator: UInt8(ascii: " "))
        guard parts.count == 2, let piece = Base64.decode(parts[0]), !piece.isEmpty,
          Int(String(decoding: parts[1], as: UTF8.self).filter { $0 != "\r" }) == pieces.count
        else {
          throw ConversionError.malformed(file: file.name, detail: "line \(pieces.count + 1) is not a piece and the next rank")
        }
        pieces.append(piece)
      }
    }
    guard !pieces.isEmpty else { throw ConversionError.malformed(file: file.name, detail: "it is empty") }
    self.init(pieces: pieces, merges: nil, pattern: .qwen)
    composition = .wholeText
  }
}

/// RFC 4648 §4.
enum Base64 {
  /// nil when `text` is not padded base64.
  static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
    guard text.count % 4 == 0 else { return nil }
    var bytes: [UInt8] = []
    var (bits, held, padding): (UInt32, Int, Int) = (0, 0, 0)
    for c in text {
      let value: UInt8
      switch c {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = c - UInt8(ascii: "A")
      case UInt8(ascii: "a")...UInt8(ascii: "z"): value = c - UInt8(ascii: "a") + 26
      case UInt8(ascii: "0")...UInt8(ascii: "9"): value = c - UInt8(ascii: "0") + 52
      case UInt8(ascii: "+"): value = 62
      case UInt8(ascii: "/"): value = 63
      case UInt8(ascii: "="):
        padding += 1
        continue
      default: return nil
      }
      guard padding == 0 else { return nil }
      bits = bits << 6 | UInt32(value)
      held += 6
      if held >= 8 {
        held -= 8
        bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(held)))
        bits &= (1 << UInt32(held)) - 1
      }
    }
    return padding <= 2 && bits == 0 ? bytes : nil
  }
}
