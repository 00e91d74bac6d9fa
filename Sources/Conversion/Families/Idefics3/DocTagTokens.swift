// SPDX-License-Identifier: Apache-2.0

/// The tokens of DocTags, the markup in which SmolDocling and granite-docling write a document (arXiv:2503.11576): special tokens
/// that belong to an answer's text.
struct DocTagTokens {
  /// All added tokens but those of the conversation and of images.
  let shown: [String]

  /// nil: not in the checkpoint's tokenizer.
  init?(_ checkpoint: OpenCheckpoint) throws {
    guard let added = try checkpoint.json("tokenizer.json")?.value["added_tokens"]?.array else { return nil }
    let texts = added.compactMap { $0["content"]?.string }
    guard texts.contains("<loc_0>") else { return nil }
    let control = ["<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>", "<s>", "</s>", "<pad>", "<unk>"]
    shown = texts.filter { text in
      !control.contains(text) && !text.hasPrefix("<|") && !text.hasPrefix("<row_") && !text.contains("reserved") && !text.hasPrefix("<fim_")
    }
  }

  /// The requests in the model cards of granite-docling and SmolDocling.
  static let tasks: [(name: String, question: String)] = [
    ("docling", "Convert this page to docling."), ("table", "Convert table to OTSL."), ("chart", "Convert chart to table."),
    ("formula", "Convert formula to LaTeX."), ("code", "Convert code to text."),
  ]
}
