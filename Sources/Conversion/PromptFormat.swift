// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// A conversation format: `{system}`, `<image>` and `{question}` are substituted in the template.
package struct PromptFormat: Equatable {
  package var system: String
  package var template: String
  /// Text between an answer and the next turn.
  package var turnSeparator: String
  package var stop: [String]

  /// `conv_vicuna_v1` of the original LLaVA.
  package static let vicuna = PromptFormat(
    system: "A chat between a curious user and an artificial intelligence assistant. "
      + "The assistant gives helpful, detailed, and polite answers to the user's questions.",
    template: "{system} USER: <image>\n{question} ASSISTANT:", turnSeparator: "</s>", stop: ["</s>"])

  /// `conv_llava_v1`: what transformers' documentation gives for its LLaVA-NeXT on Vicuna.
  package static let vicunaHuman = PromptFormat(
    system: "A chat between a curious human and an artificial intelligence assistant. "
      + "The assistant gives helpful, detailed, and polite answers to the human's questions.",
    template: vicuna.template, turnSeparator: "</s>", stop: ["</s>"])

  /// transformers' LLaVA-1.5: Vicuna's turns without a system text.
  package static let plainVicuna = PromptFormat(
    system: "", template: "USER: <image>\n{question} ASSISTANT:", turnSeparator: "</s>", stop: ["</s>"])

  /// `conv_mistral_instruct`.
  package static let mistral = PromptFormat(
    system: "", template: "[INST] <image>\n{question} [/INST]", turnSeparator: " </s>", stop: ["</s>"])

  /// The format, or what the checkpoint itself says under `fovea.prompt` in config.json.
  /// - Throws: when that has no `<image>` and `{question}`.
  package func overridden(by config: ConfigReader) throws -> PromptFormat {
    let own = config.has("fovea.prompt") ? try config.object("fovea.prompt") : try config.object("fovea").object("prompt")
    var format = self
    if own.has("template") {
      format.template = try own.string("template")
      format.system = try own.string("system", default: "")
      guard format.template.contains("<image>"), format.template.contains("{question}") else {
        throw own.fail("template", "should hold <image> and {question}")
      }
    }
    format.turnSeparator = try own.string("turnSeparator", default: format.turnSeparator)
    if let stop = own.value["stop"] {
      guard let texts = stop.array?.compactMap(\.string), texts.count == stop.array?.count else {
        throw own.fail("stop", "should be a list of texts")
      }
      format.stop = texts
    }
    return format
  }

  /// - Parameter imageTokenSplitsText: the chunks around `<image>` are tokenised by themselves (original LLaVA), or `<image>` is a
  ///   token of the vocabulary and the text is tokenised as one (transformers).
  func metadata(imageTokenSplitsText: Bool) -> [(String, MetadataValue)] {
    [
      ("prompt.system", .string(system)), ("prompt.template", .string(template)), ("prompt.turnSeparator", .string(turnSeparator)),
      ("prompt.stop", .strings(stop)), ("prompt.imageTokenSplitsText", .bool(imageTokenSplitsText)),
    ]
  }
}
