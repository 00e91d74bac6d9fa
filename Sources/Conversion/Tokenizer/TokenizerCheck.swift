// SPDX-License-Identifier: Apache-2.0
import Families
import Schema
import Tokenizers

extension TokenizerMetadata {
  /// Builds the tokenizer that the weight file will be loaded with, so that no file is written that cannot be.
  /// - Throws: `.malformed`, which names the checkpoint's file.
  static func check(_ settings: TokenizerSettings, vocabSize: Int, needsImageToken: Bool, _ checkpoint: OpenCheckpoint) throws {
    do {
      _ = try Tokenizer(settings, vocabSize: vocabSize, needsImageToken: needsImageToken)
    } catch {
      let file = ["tokenizer.model", "tokenizer.json", "qwen.tiktoken", "vocab.json"].first { checkpoint.file($0) != nil }
      throw ConversionError.malformed(file: file ?? "tokenizer", detail: error.message)
    }
  }
}
