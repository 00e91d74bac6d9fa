// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// Everything about the tokenizer that goes into the weight file.
struct TokenizerMetadata {
  var model: SentencePieceModel
  var added: [TokenizerJSON.AddedToken]
  var eosIds: [Int]
  var addBos: Bool
  var prefixRule: TokenizerJSON.PrefixRule

  /// - Parameter imageToken: the id that stands for an image, where that is a token of the vocabulary.
  /// - Throws: `.missingFile` when there is no tokenizer, `.unsupported` for kinds other than SentencePiece BPE.
  init(_ checkpoint: OpenCheckpoint, imageToken: Int?) throws {
    let settings = try checkpoint.json("tokenizer_config.json")
    let json = try checkpoint.file("tokenizer.json").map { TokenizerJSON(json: try .read($0), file: "tokenizer.json") }
    if let path = checkpoint.file("tokenizer.model") {
      model = try SentencePieceModel(path: path)
      let isLegacy = try settings?.bool("legacy", default: true) ?? true
      prefixRule = try json?.prefixRule() ?? (isLegacy ? .every : .firstUnlessSpace)
    } else if let json {
      model = try json.sentencePieceModel()
      prefixRule = try json.prefixRule() ?? .every
    } else {
      throw ConversionError.missingFile(
        directory: checkpoint.folders.last?.path ?? "", looked: ["tokenizer.model", "tokenizer.json"])
    }

    added = try Self.addedTokens(checkpoint, settings, json)
    // transformers looks for the special pieces in a text like for added tokens.
    for id in [model.unknown, model.bos, model.eos] where id >= 0 && !added.contains(where: { $0.id == id }) {
      added.append(TokenizerJSON.AddedToken(id: id, text: model.pieces[id], isSpecial: true))
    }
    if let image = imageToken, !added.contains(where: { $0.text == "<image>" }) {
      added.append(TokenizerJSON.AddedToken(id: image, text: "<image>", isSpecial: true))
    }
    added.sort { $0.id < $1.id }
    for token in added where token.id < model.pieces.count && !model.pieces[token.id].utf8.elementsEqual(token.text.utf8) {
      throw ConversionError.malformed(
        file: "tokenizer", detail: "added token \(token.text) has the id \(token.id) of piece \(model.pieces[token.id])")
    }

    let generation = try checkpoint.json("generation_config.json")
    let text = checkpoint.config.has("text_config") ? try checkpoint.config.object("text_config") : checkpoint.config
    let configs = [generation, text, checkpoint.config].compactMap { $0 }
    if let eos = configs.compactMap({ $0.value["eos_token_id"] }).first {
      eosIds = eos.array?.compactMap(\.int) ?? [eos.int].compactMap { $0 }
    } else {
      eosIds = [model.eos]
    }
    if let bos = configs.compactMap({ $0.value["bos_token_id"]?.int }).first, bos >= 0, bos < model.pieces.count { model.bos = bos }
    if let eos = eosIds.first, eos >= 0, eos < model.pieces.count { model.eos = eos }
    if let pad = configs.compactMap({ $0.value["pad_token_id"]?.int }).first { model.pad = pad }
    addBos = try settings?.bool("add_bos_token", default: true) ?? true
  }

  /// tokenizer.json knows the most of an added token, tokenizer_config.json as much, added_tokens.json only its id.
  private static func addedTokens(
    _ checkpoint: OpenCheckpoint, _ settings: ConfigReader?, _ json: TokenizerJSON?
  ) throws -> [TokenizerJSON.AddedToken] {
    var tokens: [Int: TokenizerJSON.AddedToken] = [:]
    if let plain = try checkpoint.json("added_tokens.json") {
      for (text, value) in plain.value.members ?? [] {
        guard let id = value.int, id >= 0, id < 1 << 24, !text.isEmpty else { throw plain.fail(text, "should be an id") }
        tokens[id] = TokenizerJSON.AddedToken(id: id, text: text, isSpecial: true)
      }
    }
    for (id, value) in try settings?.object("added_tokens_decoder").value.members ?? [] {
      guard let token = TokenizerJSON.AddedToken(id: Int(id), value) else {
        throw ConversionError.badConfig(file: "tokenizer_config.json", key: "added_tokens_decoder.\(id)", detail: "is not a token")
      }
      tokens[token.id] = token
    }
    for token in try json?.addedTokens() ?? [] { tokens[token.id] = token }
    return Array(tokens.values)
  }

  /// - Parameter vocabSize: rows of the embedding; a token past them cannot be used.
  func entries(vocabSize: Int) throws -> [(String, MetadataValue)] {
    guard model.pieces.count <= vocabSize else {
      throw ConversionError.badConfig(
        file: "config.json", key: "vocab_size", detail: "\(vocabSize) is less than the tokenizer's \(model.pieces.count) pieces")
    }
    let usable = added.filter { $0.id < vocabSize }
    guard eosIds.allSatisfy({ $0 >= 0 && $0 < vocabSize }) else {
      throw ConversionError.badConfig(
        file: "config.json", key: "eos_token_id", detail: "\(eosIds) are not in a vocabulary of \(vocabSize)")
    }
    var entries: [(String, MetadataValue)] = [
      ("tokenizer.kind", .string("sentencepiece_bpe")), ("tokenizer.pieces", .strings(model.pieces)),
      ("tokenizer.scores", .doubles(model.scores)), ("tokenizer.types", .ints(model.kinds)), ("tokenizer.unk", .int(model.unknown)),
      ("tokenizer.bos", .int(model.bos)), ("tokenizer.eos", .int(model.eos)), ("tokenizer.eosIds", .ints(eosIds)),
      ("tokenizer.addBos", .bool(addBos)), ("tokenizer.addDummyPrefix", .bool(model.addDummyPrefix)),
      ("tokenizer.prefixRule", .string(prefixRule.rawValue)),
      ("tokenizer.removeExtraWhitespaces", .bool(model.removeExtraWhitespaces)),
      ("tokenizer.escapeWhitespaces", .bool(model.escapeWhitespaces)), ("tokenizer.added", .strings(usable.map(\.text))),
      ("tokenizer.addedIds", .ints(usable.map(\.id))), ("tokenizer.addedSpecial", .ints(usable.map { $0.isSpecial ? 1 : 0 })),
    ]
    // Bits: 1 blanks before the token belong to it, 2 blanks after it.
    if usable.contains(where: { $0.strips != 0 }) { entries.append(("tokenizer.addedStrips", .ints(usable.map(\.strips)))) }
    if model.pad >= 0, model.pad < vocabSize { entries.append(("tokenizer.pad", .int(model.pad))) }
    if !model.charsMap.isEmpty { entries.append(("tokenizer.charsMap", .bytes(model.charsMap))) }
    return entries
  }
}
