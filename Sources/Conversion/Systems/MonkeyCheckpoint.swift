// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// Monkey and Monkey-Chat as published: Qwen v1 under `transformer.h`, Qwen-VL's tower under `transformer.visual` with
/// `lora_repeat_num` sets of adapters, one for each tile of 448 pixels.
enum MonkeyCheckpoint {
  static func describe(_ checkpoint: OpenCheckpoint) throws -> SystemDescription {
    let config = checkpoint.config
    let plan = CheckpointPlan(checkpoint.source)
    let text = try QwenV1Config(config)
    let visual = try QwenVisualConfig(try config.object("visual"), plan)
    guard visual.outputSize == text.hiddenSize else {
      throw config.fail("visual.output_dim", "\(visual.outputSize) is not the decoder's hidden_size \(text.hiddenSize)")
    }
    guard visual.startId >= 0, visual.startId + 1 < text.vocabSize else {
      throw config.fail("visual.image_start_id", "\(visual.startId) is not in a vocabulary of \(text.vocabSize)")
    }
    QwenVisionNames.plan(plan, visual)
    QwenV1Names.plan(plan, text)
    let prompt = try PromptFormat.monkey.overridden(by: config).metadata(imageTokenSplitsText: true)
    return try SystemDescription(
      system: "monkey", plan: plan, metadata: visual.metadata + text.metadata + prompt, textLayers: text.layers
    ) { QwenV1Names.isIgnorable($0, text) }
  }
}
