// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles

/// The `tokenizer.json` of byte-level tokenizers: GPT-2, Qwen2, LLaMA 3 and those with the same patterns.
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
    try readSplits(into: &result)
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

  /// The steps of the pre-tokenizer: any of `Split` and `Digits`, then `ByteLevel`, which may add GPT-2's pattern.
  private func readSplits(into model: inout ByteLevelModel) throws {
    func unsupported(_ what: String) -> ConversionError { .unsupported("\(file): pre_tokenizer \(what)") }
    model.splits = []
    for (i, step) in splitters.enumerated() {
      switch step["type"]?.string {
      case "Split":
        guard let regex = step["pattern"]?["Regex"]?.string else { throw unsupported("Split without a Regex") }
        guard let pattern = PublishedSplits.pattern(regex) else { throw unsupported("Split by the pattern \(regex)") }
        let (behavior, isInverted) = (step["behavior"]?.string, step["invert"]?.bool ?? false)
        // Where the pattern matches every character, keeping only the matches equals isolating them.
        guard behavior == "Isolated" || (behavior == "Removed" && isInverted && PublishedSplits.matchesAll(pattern)) else {
          throw unsupported("Split with behavior \(behavior ?? "?")")
        }
        model.splits.append(pattern)
      case "Digits": model.splits.append(step["individual_digits"]?.bool ?? false ? .singleDigits : .digits)
      case "ByteLevel" where i == splitters.count - 1:
        model.addsPrefixSpace = step["add_prefix_space"]?.bool ?? true
        if step["use_regex"]?.bool ?? true {
          model.pattern = .gpt2
        } else if model.addsPrefixSpace || model.splits.isEmpty {
          model.pattern = .none
        } else {
          model.pattern = model.splits.removeLast()
        }
      case let other: throw unsupported("\(other ?? "?") beside ByteLevel")
      }
    }
    guard model.splits.count <= 16 else { throw unsupported("of \(model.splits.count) steps") }
  }

  /// The token that the post-processor puts before every text.
  var beginToken: String? {
    let steps = json["post_processor"].map { $0["processors"]?.array ?? [$0] } ?? []
    let template = steps.first { $0["type"]?.string == "TemplateProcessing" }
    return template?["single"]?.array?.first?["SpecialToken"]?["id"]?.string
  }
}
