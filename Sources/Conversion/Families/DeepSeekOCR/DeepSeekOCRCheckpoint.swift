// SPDX-License-Identifier: Apache-2.0
import Families
import Schema

/// DeepSeek-OCR as published (`DeepseekOCRForCausalLM`).
enum DeepSeekOCRCheckpoint {
  static let tokenizer = TokenizerNeeds(
    addsBegin: true, shownTokens: ["<|ref|>", "<|/ref|>", "<|det|>", "<|/det|>", "<|grounding|>", "<td>", "</td>", "<tr>", "</tr>"])

  static func describe(_ checkpoint: OpenCheckpoint) throws -> SystemDescription {
    let config = checkpoint.config
    let plan = CheckpointPlan(checkpoint.source)
    let language = config.has("language_config") ? try config.object("language_config") : config
    var text = try TextConfig(language.typed("llama"))
    let mixture = try MixtureConfig(language)
    let kind = try config.object("projector_config").string("projector_type", default: "linear")
    guard kind == "linear" else { throw config.fail("projector_config.projector_type", "\(kind) is not supported, only linear") }

    let sam = try SAMNames(plan, prefixes: ["model.sam_model."], scope: "sam")
    let clip = try SerialCLIPNames(plan, config)
    sam.plan(plan)
    sam.planPositions(plan, grids: DeepSeekOCRSettings.grids(patchSize: sam.patchSize, own: sam.grid))
    clip.plan(plan)
    plan.linear(
      "projector", .projector, inputs: clip.settings.hiddenSize + sam.outputSize, parts: [("model.projector.layers", text.hiddenSize)],
      bias: .required)
    plan.table("imageNewline", [text.hiddenSize], from: "model.image_newline")
    plan.vector("viewSeparator", text.hiddenSize, from: "model.view_seperator")
    let decoder = try LlamaNames(plan, layouts: [(prefix: "model.", head: "lm_head.weight")], &text)
    decoder.plan(plan, text, mixture: mixture)

    var settings = DeepSeekOCRSettings()
    let mode = try config.string("fovea.mode", default: "gundam")
    guard let known = DeepSeekOCRSettings.Mode(spelling: mode) else {
      throw config.fail("fovea.mode", "\(mode) should be tiny, small, base, large or gundam")
    }
    settings.mode = known
    settings.sam = sam.settings(.blip)
    settings.sam.statistics = NormalisationSettings(mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5])
    settings.vision = clip.settings
    var prompt = try PromptFormat.deepSeekOCR.overridden(by: config).settings(imageTokenSplitsText: true)
    prompt.coordinates = .deepSeek
    let c = text
    return try SystemDescription(
      system: "deepseek_ocr", plan: plan, decoder: DecoderSettings(text.settings, mixture: mixture.settings), vision: settings, prompt: prompt,
      tokenizer: tokenizer
    ) { clip.isIgnorable($0) || decoder.isIgnorable($0, c) }
  }
}
