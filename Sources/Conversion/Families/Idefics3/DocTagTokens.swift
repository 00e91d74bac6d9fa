// SPDX-License-Identifier: Apache-2.0

/// The tokens of DocTags, in which SmolDocling and granite-docling write a document (arXiv:2503.11576): they belong to an answer's text
/// though they are special.
struct DocTagTokens {
  /// All added tokens but those of the conversation and of images.
  let shown: [String]

  /// nil: the checkpoint's tokenizer has none.
  init?(_ checkpoint: OpenCheckpoint) throws {
    guard let added = try checkpoint.json("tokenizer.json")?.value["added_tokens"]?.array else { return nil }
    let texts = added.compactMap { $0["content"]?.string }
    guard texts.contains("<loc_0>") else { return nil }
    let control = ["<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>", "<s>", "</s>", "<pad>", "<unk>"]
    shown = texts.filter { text in
      !control.contains(text) && !text.hasPrefix("<|") && !text.hasPrefix("<row_") && !text.contains("reserved") && !text.hasPrefix("<fim_")
    }
  }

  /// What the model cards of granite-docling and SmolDocling ask.
  static let tasks: [(name: String, question: String)] = [
    ("docling", "Convert this page to docling."), ("table", "Convert table to OTSL."), ("chart", "Convert chart to table."),
    ("formula", "Convert formula to LaTeX."), ("code", "Convert code to text."),
  ]
}
