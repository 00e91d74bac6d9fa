// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles

/// The added tokens in a checkpoint's files.
struct AddedTokenFiles {
  private let settings: ConfigReader?
  private let map: ConfigReader?
  private let plain: ConfigReader?
  private let json: TokenizerJSON?

  init(_ checkpoint: OpenCheckpoint, settings: ConfigReader?, json: TokenizerJSON?) throws {
    self.settings = settings
    self.json = json
    map = try checkpoint.json("special_tokens_map.json")
    plain = try checkpoint.json("added_tokens.json")
  }

  /// All of them. tokenizer.json and tokenizer_config.json have all their properties, added_tokens.json only ids.
  /// - Parameter plainStrip: tokens of which only the id is known strip the white space around them, as in transformers' Python
  ///   tokenizers up to 4.33.
  func tokens(plainStrip: Bool) throws -> [TokenizerJSON.AddedToken] {
    var tokens: [Int: TokenizerJSON.AddedToken] = [:]
    if let plain {
      for (text, value) in plain.value.members ?? [] {
        guard let id = value.int, id >= 0, id < 1 << 24, !text.isEmpty else { throw plain.fail(text, "should be an id") }
        tokens[id] = TokenizerJSON.AddedToken(id: id, text: text, isSpecial: true, strips: plainStrip ? strips(text) : 0)
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

  /// Strip flags from special_tokens_map.json; without an entry, both sides.
  private func strips(_ text: String) -> Int {
    for (_, value) in map?.value.members ?? [] {
      for described in value.array ?? [value] where described["content"]?.string == text {
        return TokenizerJSON.AddedToken(id: 0, described)?.strips ?? 0
      }
    }
    return 3
  }

  /// The texts of `bos_token`, `eos_token`, `unk_token` and `pad_token`, where given.
  func special(_ role: String) -> String? {
    for reader in [settings, map] {
      guard let value = reader?.value[role + "_token"] else { continue }
      if let text = value.string ?? value["content"]?.string, !text.isEmpty { return text }
    }
    return nil
  }
}
