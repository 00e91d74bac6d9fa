// SPDX-License-Identifier: Apache-2.0
import Families
import Schema

enum ToyCheckpoint {
  static func describe(_ checkpoint: OpenCheckpoint) throws -> SystemDescription {
    let config = checkpoint.config
    let plan = CheckpointPlan(checkpoint.source)
    var text = try TextConfig(config)
    let vision = try checkpoint.visionConfig()
    let used = try vision.layersUsed(select: -2)
    let tower = CLIPNames(plan, prefixes: [OpenCheckpoint.towerPrefix], scope: "vision")
    tower.plan(plan, vision, used: used)
    plan.linear("projector", .projector, inputs: vision.hiddenSize, parts: [("model.toy", text.hiddenSize)], bias: .required)
    let decoder = try LlamaNames(plan, layouts: OriginalLlava.language, &text)
    decoder.plan(plan, text)
    var settings = ToySettings()
    settings.vision = vision.settings(used: used, dropClass: true)
    settings.statistics = try ImagePreprocessing(checkpoint.imageProcessor(includingTower: true), imageSize: vision.imageSize).statistics
    return try SystemDescription(
      system: "toy", plan: plan, decoder: DecoderSettings(text.settings), vision: settings,
      prompt: PromptFormat.vicuna.overridden(by: config).settings(imageTokenSplitsText: true)
    ) { decoder.isIgnorable($0, text) || tower.isIgnorable($0, used: used) }
  }
}
