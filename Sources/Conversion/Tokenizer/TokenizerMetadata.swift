// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Schema

/// What a system requires of its tokenizer beyond the tokenizer's files.
package struct TokenizerNeeds: Sendable {
  /// The image token's id, if in the vocabulary.
  package var imageToken: Int?
  /// Tokens that end an answer, besides those in the configs.
  package var endTokens: [String] = []
  /// Text and id of the region token, which some files leave to the code.
  package var regionToken: (text: String, id: Int)?
  /// Whether texts begin with the begin-of-sequence token where the files do not say.
  package var addsBegin: Bool?
  /// Special tokens that belong to the text of an answer.
  package var shownTokens: [String] = []

  package init(imageToken: Int? = nil, endTokens: [String] = [], addsBegin: Bool? = nil, shownTokens: [String] = []) {
    self.shownTokens = shownTokens
    self.imageToken = imageToken
    self.endTokens = endTokens
    self.addsBegin = addsBegin
  }
}

/// Everything about the tokenizer that goes into the weight file.
package struct TokenizerMetadata {
  enum Model {
    case sentencePiece(SentencePieceModel, TokenizerJSON.PrefixRule)
    case byteLevel(ByteLevelModel)
  }

  private let model: Model
  private var added: [TokenizerJSON.AddedToken]
  private var eosIds: [Int] = []
  /// The file that sets it.
  private var eosFile = "config.json"
  /// −1: none.
  private var bos, eos: Int
  private var addBos = false

  /// - Throws: `.missingFile` when there is no tokenizer, `.unsupported` for kinds other than SentencePiece and byte-level BPE.
  package init(_ checkpoint: OpenCheckpoint, _ needs: TokenizerNeeds) throws {
    let settings = try checkpoint.json("tokenizer_config.json")
    let json = try checkpoint.file("tokenizer.json").map { TokenizerJSON(json: try .read($0), file: "tokenizer.json") }
    let files = try AddedTokenFiles(checkpoint, settings: settings, json: json)
    model = try Self.model(checkpoint, settings, json)
    let hasOwnBegin: Bool
    switch model {
    case .sentencePiece(let m, _):
      added = try files.tokens(plainStrip: false)
      (bos, eos) = (m.bos, m.eos)
      // transformers searches for the special pieces in a text as for added tokens.
      for id in [m.unknown, m.bos, m.eos] where id >= 0 && !added.contains(where: { $0.id == id }) {
        added.append(TokenizerJSON.AddedToken(id: id, text: m.pieces[id], isSpecial: true))
      }
      // What a class for any tokenizer.json puts before a text stands in that file; LLaMA's own adds the begin token.
      let isGeneric = settings?.value["tokenizer_class"]?.string == "PreTrainedTokenizerFast" && checkpoint.file("tokenizer.model") == nil
      hasOwnBegin = !isGeneric || json?.beginToken != nil
    case .byteLevel(let m):
      added = try files.tokens(plainStrip: json == nil && m.merges != nil)
      if m.merges == nil {
        for (i, text) in ByteLevelModel.qwenSpecials.enumerated() {
          added.append(TokenizerJSON.AddedToken(id: m.pieces.count + i, text: text, isSpecial: true))
        }
      }
      (bos, eos) = (-1, -1)
      let roles = ["bos", "eos", "pad", "unk"].map { files.special($0) }
      let ids = roles.map { text in text.flatMap { id(of: $0) } ?? -1 }
      for (text, id) in zip(roles, ids) where id >= 0 && !added.contains(where: { $0.id == id }) {
        added.append(TokenizerJSON.AddedToken(id: id, text: text ?? "", isSpecial: true))
      }
      (bos, eos) = (ids[0], ids[1])
      if let begin = json?.beginToken.flatMap({ id(of: $0) }) {
        bos = begin
        hasOwnBegin = true
      } else {
        hasOwnBegin = needs.addsBegin ?? false
      }
    }
    if let image = needs.imageToken, !added.contains(where: { $0.text == "<image>" }) {
      added.append(TokenizerJSON.AddedToken(id: image, text: "<image>", isSpecial: true))
    }
    if let region = needs.regionToken {
      // LLaMA's Python tokenizer strips the white space around it, whatever the files say.
      if case .sentencePiece = model { added.removeAll { $0.text == region.text } }
      if !added.contains(where: { $0.text == region.text }) {
        var strips = 0
        if case .sentencePiece = model { strips = 3 }
        added.append(TokenizerJSON.AddedToken(id: region.id, text: region.text, isSpecial: true, strips: strips))
      }
    }
    added = added.map { token in
      guard needs.shownTokens.contains(token.text) else { return token }
      return TokenizerJSON.AddedToken(id: token.id, text: token.text, isSpecial: false, strips: token.strips)
    }
    added.sort { $0.id < $1.id }
    addBos = try settings?.bool("add_bos_token", default: hasOwnBegin) ?? hasOwnBegin

    let generation = try checkpoint.json("generation_config.json")
    let text = checkpoint.config.has("text_config") ? try checkpoint.config.object("text_config") : checkpoint.config
    let configs = [generation, text, checkpoint.config].compactMap { $0 }
    eosIds = eos >= 0 ? [eos] : []
    if let config = configs.first(where: { $0.value["eos_token_id"] != nil }), let ids = config.value["eos_token_id"] {
      eosFile = config.file
      eosIds = ids.array?.compactMap(\.int) ?? [ids.int].compactMap { $0 }
    }
    if bos < 0, let id = configs.compactMap({ $0.value["bos_token_id"]?.int }).first, id >= 0 { bos = id }
    if let id = eosIds.first { eos = id }
    for text in needs.endTokens {
      guard let id = id(of: text) else { throw ConversionError.malformed(file: "tokenizer", detail: "there is no token \(text)") }
      if !eosIds.contains(id) { eosIds.append(id) }
    }
    for token in added where token.id < pieceCount && !isPiece(token.id, token.text) {
      throw ConversionError.malformed(
        file: "tokenizer", detail: "added token \(token.text) has the id \(token.id) of another piece")
    }
  }

  private static func model(_ checkpoint: OpenCheckpoint, _ settings: ConfigReader?, _ json: TokenizerJSON?) throws -> Model {
    if let gguf = checkpoint.folders.lazy.compactMap(\.gguf).first { return gguf.tokenizer.model }
    if let path = checkpoint.file("tokenizer.model") {
      var model = try SentencePieceModel(path: path)
      if let json {
        let rule = try json.prefixRule()
        model.addDummyPrefix = rule != nil
        return .sentencePiece(model, rule ?? .every)
      }
      if settings?.value["add_prefix_space"]?.bool == false { model.addDummyPrefix = false }
      let isLegacy = try settings?.bool("legacy", default: true) ?? true
      return .sentencePiece(model, isLegacy ? .every : .firstUnlessSpace)
    }
    if let json {
      if json.isByteLevel { return .byteLevel(try json.byteLevelModel()) }
      return .sentencePiece(try json.sentencePieceModel(), try json.prefixRule() ?? .every)
    }
    if let path = checkpoint.file("qwen.tiktoken") { return .byteLevel(try ByteLevelModel(tiktoken: path)) }
    if let vocabulary = checkpoint.file("vocab.json"), let merges = checkpoint.file("merges.txt") {
      return .byteLevel(try ByteLevelModel(vocabulary: vocabulary, merges: merges, settings: settings))
    }
    throw ConversionError.missingFile(
      directory: checkpoint.folders.last?.path ?? "",
      looked: ["tokenizer.model", "tokenizer.json", "qwen.tiktoken", "vocab.json with merges.txt"])
  }

  private var pieceCount: Int {
    switch model {
    case .sentencePiece(let m, _): m.pieces.count
    case .byteLevel(let m): m.pieces.count
    }
  }

  private func isPiece(_ id: Int, _ text: String) -> Bool {
    switch model {
    case .sentencePiece(let m, _): m.pieces[id].utf8.elementsEqual(text.utf8)
    case .byteLevel(let m): m.pieces[id].elementsEqual(text.utf8)
    }
  }

  private func id(of text: String) -> Int? {
    if let token = added.first(where: { $0.text.utf8.elementsEqual(text.utf8) }) { return token.id }
    switch model {
    case .sentencePiece(let m, _): return m.pieces.firstIndex { $0.utf8.elementsEqual(text.utf8) }
    case .byteLevel(let m): return m.id(of: text)
    }
  }

  /// - Parameter vocabSize: rows of the embedding; a token beyond them is an error.
  package func settings(vocabSize: Int) throws -> TokenizerSettings {
    guard pieceCount <= vocabSize else {
      throw ConversionError.badConfig(
        file: "config.json", key: "vocab_size", detail: "\(vocabSize) is less than the tokenizer's \(pieceCount) pieces")
    }
    let usable = added.filter { $0.id < vocabSize }
    guard !eosIds.isEmpty, eosIds.allSatisfy({ $0 >= 0 && $0 < vocabSize }) else {
      throw ConversionError.badConfig(
        file: eosFile, key: "eos_token_id", detail: "\(eosIds) are not in a vocabulary of \(vocabSize)")
    }
    var s = TokenizerSettings()
    (s.eos, s.eosIds, s.addBos) = (eos, eosIds, addBos)
    if bos >= 0, bos < vocabSize { s.bos = bos }
    s.added = usable.map { Array($0.text.utf8) }
    (s.addedIds, s.addedSpecial) = (usable.map(\.id), usable.map { $0.isSpecial ? 1 : 0 })
    if usable.contains(where: { $0.strips != 0 }) { s.addedStrips = usable.map(\.strips) }
    switch model {
    case .byteLevel(let m): (s.kind, s.byteLevel) = (.byteLevel, m.settings)
    case .sentencePiece(let m, let prefixRule): (s.kind, s.sentencePiece) = (.sentencePiece, m.settings(prefixRule))
    }
    return s
  }
}
