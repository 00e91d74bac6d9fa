// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles

/// The tokenizer in a GGUF's settings.
struct GGUFTokenizer {
  let model: TokenizerMetadata.Model
  /// The equivalent of tokenizer_config.json.
  let config: JSONValue
  let tokens: [String]

  init(_ settings: ConfigReader) throws {
    func key(_ name: String) -> String { "tokenizer.ggml." + name }
    func malformed(_ name: String, _ detail: String) -> ConversionError { settings.fail(key(name), detail) }
    let kind = try settings.string(key("model"))
    guard let listed = settings.value[key("tokens")]?.array else { throw malformed("tokens", "is missing") }
    let tokens = listed.compactMap(\.string)
    guard tokens.count == listed.count, !tokens.isEmpty else { throw malformed("tokens", "should be texts") }
    let kinds = try settings.ints(key("token_type")) ?? tokens.map { _ in 1 }
    guard kinds.count == tokens.count, kinds.allSatisfy({ (1...6).contains($0) }) else {
      throw malformed("token_type", "should be a number of 1 to 6 for each token")
    }
    self.tokens = tokens
    var begins: Bool
    switch kind {
    case "llama":
      model = .sentencePiece(try Self.sentencePiece(settings, tokens, kinds), .every)
      begins = true
    case "gpt2":
      let pre = try settings.string(key("pre"), default: "default")
      model = .byteLevel(try Self.byteLevel(settings, tokens, kinds, pre))
      begins = ["llama-bpe", "llama3", "llama-v3", "tekken"].contains(pre)
    default:
      throw ConversionError.unsupported(
        "\(settings.file): \(key("model")) \(kind); of GGUF tokenizers llama (SentencePiece) and gpt2 (byte-level) are known")
    }
    begins = try settings.bool(key("add_bos_token"), default: begins)

    var members: [(key: String, value: JSONValue)] = [("add_bos_token", .bool(begins))]
    for role in ["bos", "eos", "unk", "pad"] {
      let name = key(role == "pad" ? "padding_token_id" : role == "unk" ? "unknown_token_id" : role + "_token_id")
      if let id = settings.value[name]?.int, tokens.indices.contains(id) { members.append((role + "_token", .string(tokens[id]))) }
    }
    if let template = settings.value["tokenizer.chat_template"]?.string { members.append(("chat_template", .string(template))) }
    let added = zip(tokens, kinds).enumerated().filter { $0.element.1 == 3 || $0.element.1 == 4 }
    members.append(
      (
        "added_tokens_decoder",
        .object(
          added.map { id, token in
            ("\(id)", .object([("content", .string(token.0)), ("special", .bool(token.1 == 3))]))
          })
      ))
    config = .object(members)
  }

  private static func sentencePiece(_ settings: ConfigReader, _ tokens: [String], _ kinds: [Int]) throws -> SentencePieceModel {
    func id(_ name: String, _ fallback: Int) throws -> Int {
      let id = try settings.int("tokenizer.ggml." + name, default: fallback)
      guard (-1..<tokens.count).contains(id) else { throw settings.fail("tokenizer.ggml." + name, "\(id) is not one of \(tokens.count) tokens") }
      return id
    }
    guard let scores = try settings.doubles("tokenizer.ggml.scores", count: tokens.count) else {
      throw settings.fail("tokenizer.ggml.scores", "is missing")
    }
    let meant = zip(scores, kinds).filter { $0.1 == 1 }.map(\.0)
    guard meant.count < 2 || meant.contains(where: { $0 != meant[0] }) else {
      throw settings.fail("tokenizer.ggml.scores", "all are alike, so which pieces merge first is lost; convert the original checkpoint")
    }
    var model = SentencePieceModel()
    (model.pieces, model.scores) = (tokens, scores)
    // A user-defined token is one of transformers' added tokens, which are found before the BPE model sees a text.
    model.kinds = kinds.map { $0 == 4 ? 5 : $0 }
    (model.unknown, model.bos, model.eos) = (try id("unknown_token_id", 0), try id("bos_token_id", 1), try id("eos_token_id", 2))
    if !kinds.contains(2), model.unknown >= 0 { model.kinds[model.unknown] = 2 }
    model.addDummyPrefix = try settings.bool("tokenizer.ggml.add_space_prefix", default: true)
    model.removeExtraWhitespaces = try settings.bool("tokenizer.ggml.remove_extra_whitespaces", default: false)
    return model
  }

  private static func byteLevel(_ settings: ConfigReader, _ tokens: [String], _ kinds: [Int], _ pre: String) throws -> ByteLevelModel {
    guard let merges = settings.value["tokenizer.ggml.merges"]?.array?.compactMap(\.string), !merges.isEmpty else {
      throw settings.fail("tokenizer.ggml.merges", "is missing")
    }
    guard let splits = splits[pre] else {
      throw ConversionError.unsupported("\(settings.file): tokenizer.ggml.pre \(pre); \(Self.splits.keys.sorted().joined(separator: ", ")) are known")
    }
    var pieces = zip(tokens, kinds).map { $1 == 5 ? [] : Array($0.utf8) }
    while pieces.last?.isEmpty ?? false { pieces.removeLast() }
    var model = ByteLevelModel(pieces: pieces, merges: merges, pattern: splits.last ?? .gpt2)
    model.splits = Array(splits.dropLast())
    model.prefersWholeWords = ["llama-bpe", "llama3", "llama-v3", "tekken"].contains(pre)
    if pre == "qwen2" { model.composition = .segments }
    return model
  }

  /// Split patterns for the names of `tokenizer.ggml.pre`, applied in sequence.
  private static let splits: [String: [ByteLevelModel.Pattern]] = {
    var splits: [String: [ByteLevelModel.Pattern]] = [
      "qwen2": [.qwen], "tekken": [.tekken], "gpt-4o": [.o200k], "deepseek-v3": [.upToThreeDigits, .deepSeek3Ideographs, .deepSeek3],
      "deepseek-llm": [.lineBreaks, .deepSeekLetters, .deepSeekSymbols, .trailingBlanks, .deepSeekIdeographs, .singleDigits],
      "deepseek-coder": [.lineBreaks, .letters, .punctuation, .deepSeekIdeographs, .singleDigits],
    ]
    for name in ["default", "gpt-2", "gpt2"] { splits[name] = [.gpt2] }
    for name in ["llama-bpe", "llama3", "llama-v3"] { splits[name] = [.llama3] }
    for name in ["smollm", "starcoder", "refact", "command-r", "codeshell"] { splits[name] = [.singleDigits, .gpt2] }
    return splits
  }()
}
