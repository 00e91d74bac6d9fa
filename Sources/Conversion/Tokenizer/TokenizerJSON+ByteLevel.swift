// SPDX-License-Identifier: Apache-2.0

/// The `tokenizer.json` of byte-level tokenizers: GPT-2, Qwen2, LLaMA 3 and what has their patterns.
extension TokenizerJSON {
  private var splitters: [JSONValue] {
    json["pre_tokenizer"].map { $0["pretokenizers"]?.array ?? [$0] } ?? []
  }

  var isByteLevel: Bool { splitters.contains { $0["type"]?.string == "ByteLevel" } }

  func byteLevelModel() throws -> ByteLevelModel {
    func unsupported(_ what: String) -> ConversionError { .unsupported("\(file): \(what)") }
    guard let model = json["model"], model["type"]?.string == "BPE", let vocabulary = model["vocab"]?.members,
      let mergeList = model["merges"]?.array
    else { throw unsupported("a byte-level tokenizer that is not BPE") }
    for key in ["continuing_subword_prefix", "end_of_word_suffix"] where model[key]?.string.map({ !$0.isEmpty }) ?? false {
      throw unsupported("model.\(key)")
    }
    guard model["byte_fallback"]?.bool != true else { throw unsupported("byte_fallback in a byte-level tokenizer") }
    let merges = try mergeList.enumerated().map { rank, merge in
      if let text = merge.string { return text }
      guard let pair = merge.array?.compactMap(\.string), pair.count == 2 else {
        throw ConversionError.malformed(file: file, detail: "merge \(rank) is not a pair")
      }
      return pair[0] + " " + pair[1]
    }
    var result = ByteLevelModel(pieces: try ByteLevelModel.pieces(vocabulary, file: file), merges: merges, pattern: .gpt2)
    (result.pattern, result.addsPrefixSpace) = try byteLevelPattern()
    result.prefersWholeWords = model["ignore_merges"]?.bool == true
    result.composition = try byteLevelComposition()
    if let unknown = model["unk_token"]?.string { result.unknown = result.id(of: unknown) ?? -1 }
    return result
  }

  private func byteLevelComposition() throws -> ByteLevelModel.Composition {
    let steps = json["normalizer"].map { $0["normalizers"]?.array ?? [$0] } ?? []
    for step in steps where step["type"]?.string != "NFC" {
      throw ConversionError.unsupported("\(file): normalizer \(step["type"]?.string ?? "?") of a byte-level tokenizer")
    }
    return steps.isEmpty ? .none : .segments
  }

  private static let gpt2Pattern = #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
  private static func modernPattern(digits: String) -> String {
    #"[^\r\n\p{L}\p{N}]?\p{L}+|\#(digits)| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
  }

  /// The pattern of `Split`, or GPT-2's, which `ByteLevel` brings along.
  private func byteLevelPattern() throws -> (ByteLevelModel.Pattern, addsPrefixSpace: Bool) {
    var regex: String?
    var digits: Bool?  // whether they stand one by one
    var addsPrefixSpace = false
    for (i, step) in splitters.enumerated() {
      switch step["type"]?.string {
      case "Split" where regex == nil && i == 0:
        let (behavior, isInverted) = (step["behavior"]?.string, step["invert"]?.bool ?? false)
        // The patterns match every character, so to cut out the matches and to keep only them is the same.
        guard (behavior == "Isolated" && !isInverted) || (behavior == "Removed" && isInverted) else {
          throw ConversionError.unsupported("\(file): pre_tokenizer Split with behavior \(behavior ?? "?")")
        }
        regex = step["pattern"]?["Regex"]?.string ?? ""
      case "Digits" where i == 0: digits = step["individual_digits"]?.bool ?? false
      case "ByteLevel" where i == splitters.count - 1:
        addsPrefixSpace = step["add_prefix_space"]?.bool ?? true
        guard step["use_regex"]?.bool ?? true else { break }
        guard regex == nil else { throw ConversionError.unsupported("\(file): two patterns one after the other") }
        regex = Self.gpt2Pattern
      case let other: throw ConversionError.unsupported("\(file): pre_tokenizer \(other ?? "?") beside ByteLevel")
      }
    }
    let contractions = ["(?i:'s|'t|'re|'ve|'m|'ll|'d)|", "'(?i:[sdmt]|ll|ve|re)|"]
    if let isSingle = digits {
      guard regex == Self.gpt2Pattern, !addsPrefixSpace else {
        throw ConversionError.unsupported("\(file): pre_tokenizer Digits with another pattern than GPT-2's, or with add_prefix_space")
      }
      return (isSingle ? .gpt2SingleDigits : .gpt2Digits, false)
    }
    switch regex {
    case Self.gpt2Pattern: return (.gpt2, addsPrefixSpace)
    case let text? where contractions.contains { text == $0 + Self.modernPattern(digits: #"\p{N}"#) }: return (.qwen, addsPrefixSpace)
    case let text? where contractions.contains { text == $0 + Self.modernPattern(digits: #"\p{N}{1,3}"#) }:
      return (.llama3, addsPrefixSpace)
    case let other: throw ConversionError.unsupported("\(file): the pattern \(other ?? "(none)")")
    }
  }

  /// The token that the post-processor puts in front of every text.
  var beginToken: String? {
    let steps = json["post_processor"].map { $0["processors"]?.array ?? [$0] } ?? []
    let template = steps.first { $0["type"]?.string == "TemplateProcessing" }
    return template?["single"]?.array?.first?["SpecialToken"]?["id"]?.string
  }
}
