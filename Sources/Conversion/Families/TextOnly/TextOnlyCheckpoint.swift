// SPDX-License-Identifier: Apache-2.0
import Families
import Schema

/// A text-only decoder as transformers saves it: LLaMA, SmolLM2, Mistral, Qwen2, Granite.
enum TextOnlyCheckpoint {
  static func describe(_ checkpoint: OpenCheckpoint) throws -> SystemDescription {
    let config = checkpoint.config
    var text = try TextConfig(config, takesGranite: true)
    let decoder = try LlamaNames(CheckpointPlan(checkpoint.source), layouts: [("model.", "lm_head.weight")], &text)
    let plan = CheckpointPlan(text.multipliers?.source(checkpoint.source, decoder, text) ?? checkpoint.source)
    decoder.plan(plan, text)
    let tokenizer = try TokenizerMetadata(checkpoint, TokenizerNeeds()).settings(vocabSize: text.vocabSize)
    let format = try PromptFormat.plainText.following(checkpoint, addsBegin: tokenizer.addBos, seesImages: false)
    return try SystemDescription(
      system: "text", plan: plan, decoder: DecoderSettings(text.settings), vision: TextOnlySettings(),
      prompt: format.settings(imageTokenSplitsText: true)
    ) { decoder.isIgnorable($0, text) }
  }
}
