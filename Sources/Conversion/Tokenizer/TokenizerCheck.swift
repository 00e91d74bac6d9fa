// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Families
import Schema
import Tokenizers

extension TokenizerMetadata {
  /// Builds the tokenizer as loading the weight file would, so that no unloadable file is written.
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
