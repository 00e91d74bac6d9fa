// SPDX-License-Identifier: Apache-2.0
import Schema

/// Monkey and Monkey-Chat as published (`MonkeyLMHeadModel`): Qwen v1 under `transformer.h`, Qwen-VL's tower under
/// `transformer.visual` with `lora_repeat_num` sets of adapters, one for each tile.
///
/// TextMonkey is read here too, with `TextMonkeyParts`.
///
/// Models of other sizes are read in the same layout. Besides the published keys, `visual` may have `image_size: [height, width]`,
/// `tile_size` (else 448 pixels) and `resampler_heads` (else output_dim / 128); the sides of `positional_embedding` and
/// `attn_pool.query`, and the adapters' ranks, come from the tensors; `lora_repeat_num` 0 means no adapters, 1 one set for all
/// tiles. Prompts other than Monkey's are under `fovea.prompt` (`template`, `tasks`: name to template). The tokenizer may be any that
/// the converter reads; its marks around an image are `image_start_id` and the id after it.
enum MonkeyCheckpoint {
  static func describe(_ checkpoint: OpenCheckpoint) throws -> SystemDescription {
    let config = checkpoint.config
    let plan = CheckpointPlan(checkpoint.source)
    let text = try QwenV1Config(config, plan)
    let visual = try QwenVisualConfig(try config.object("visual"), plan)
    guard visual.outputSize == text.hiddenSize else {
      throw config.fail("visual.output_dim", "\(visual.outputSize) is not the decoder's hidden_size \(text.hiddenSize)")
    }
    guard visual.startId >= 0, visual.startId + 1 < text.vocabSize else {
      throw config.fail("visual.image_start_id", "\(visual.startId) is not in a vocabulary of \(text.vocabSize)")
    }
    // TextMonkey's config may have any of the names, so its tensors decide.
    let textMonkey = TextMonkeyParts.areIn(plan) ? try TextMonkeyParts(try config.object("visual"), visual, plan) : nil
    QwenVisionNames.plan(plan, visual)
    textMonkey?.plan(plan, visual)
    QwenV1Names.plan(plan, text)
    var format: PromptFormat = textMonkey == nil ? .monkey : .textMonkey
    // Monkey-Chat's generation config says chatml, as Qwen-VL-Chat's; a base model's does not.
    if let generation = try checkpoint.json("generation_config.json"), try generation.string("chat_format", default: "") == "chatml" {
      format.turns = PromptFormat.qwenChat
    }
    let prompt = try format.overridden(by: config).settings(imageTokenSplitsText: true)
    let settings: any VisionSettings = textMonkey?.settings(visual.settings) ?? visual.settings
    // TextMonkey's answers contain these marks.
    let shown = textMonkey == nil ? [] : ["<ref>", "</ref>", "<box>", "</box>", "<quad>", "</quad>"]
    return try SystemDescription(
      system: textMonkey == nil ? "monkey" : "text_monkey", plan: plan, decoder: DecoderSettings(text.settings), vision: settings,
      prompt: prompt, tokenizer: TokenizerNeeds(shownTokens: shown)
    ) { QwenV1Names.isIgnorable($0, text) || textMonkey?.isIgnorable($0) == true }
  }
}
