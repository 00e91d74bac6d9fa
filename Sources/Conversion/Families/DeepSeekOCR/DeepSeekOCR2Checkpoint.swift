// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Families
import Schema

/// DeepSeek-OCR 2 as published (`DeepseekOCR2ForCausalLM`), and as transformers has it (`DeepseekOcr2ForConditionalGeneration`): its own config,
/// and either the published names of tensors or its own.
enum DeepSeekOCR2Checkpoint {
  static func describe(_ checkpoint: OpenCheckpoint) throws -> SystemDescription {
    let config = checkpoint.config
    let source = CombinedSource()
    try source.add(checkpoint.source, rename: published)
    let plan = CheckpointPlan(source)
    let language = try language(config)
    var text = try TextConfig(language.typed("llama"))
    let mixture = try MixtureConfig(language)
    let kind = try config.object("projector_config").string("projector_type", default: "linear")
    guard kind == "linear" else { throw config.fail("projector_config.projector_type", "\(kind) is not supported, only linear") }

    let vision = try config.object("vision_config")
    let sam = try SAMNames(
      plan, prefixes: ["model.sam_model."], scope: "sam", config: vision.has("sam_config") ? try vision.object("sam_config") : nil)
    let flow = try CausalFlowNames(plan, vision)
    sam.plan(plan)
    sam.planPositions(plan, grids: DeepSeekOCR2Settings.grids(own: sam.grid))
    for side in [DeepSeekOCR2Settings.tileSide, DeepSeekOCR2Settings.pageSide] {
      plan.table(
        "queries\(side)", [DeepSeekOCR2Settings.queries(side: side), flow.settings.hiddenSize], from: "model.qwen2_model.query_\(side).weight")
    }
    flow.plan(plan)
    plan.linear(
      "projector", .projector, inputs: flow.settings.hiddenSize, parts: [("model.projector.layers", text.hiddenSize)], bias: .required)
    plan.vector("viewSeparator", text.hiddenSize, from: "model.view_seperator")
    let decoder = try LlamaNames(plan, layouts: [(prefix: "model.", head: "lm_head.weight")], &text)
    decoder.plan(plan, text, mixture: mixture)

    var settings = DeepSeekOCR2Settings()
    settings.sam = sam.settings(.blip)
    settings.vision = flow.settings
    try setPreprocessing(&settings, try checkpoint.imageProcessor())
    var prompt = try PromptFormat.deepSeekOCR2.overridden(by: config).settings(imageTokenSplitsText: true)
    prompt.coordinates = .deepSeek
    let c = text
    return try SystemDescription(
      system: "deepseek_ocr2", plan: plan, decoder: DecoderSettings(text.settings, mixture: mixture.settings), vision: settings, prompt: prompt,
      tokenizer: DeepSeekOCRCheckpoint.tokenizer
    ) { decoder.isIgnorable($0, c) }
  }

  /// The published name of a tensor that transformers may have renamed.
  static func published(_ name: String) -> String {
    var name = name
    func replace(_ old: String, _ new: String) {
      if name.hasPrefix(old) { name = new + name.dropFirst(old.count) }
    }
    let sam = "model.sam_model."
    replace("model.vision_tower.sam_encoder.", sam)
    replace("model.vision_tower.vision_encoder.", CausalFlowNames.prefix)
    replace("model.vision_tower.query_768_resolution.", "model.qwen2_model.query_768.")
    replace("model.vision_tower.query_1024_resolution.", "model.qwen2_model.query_1024.")
    replace("model.multi_modal_projector.", "model.projector.layers.")
    replace("model.view_separator", "model.view_seperator")
    replace("model.language_model.", "model.")
    guard name.hasPrefix(sam) else { return name }
    replace(sam + "layers.", sam + "blocks.")
    replace(sam + "patch_embed.projection.", sam + "patch_embed.proj.")
    for (i, part) in ["conv1", "layer_norm1", "conv2", "layer_norm2"].enumerated() { replace("\(sam)neck.\(part).", "\(sam)neck.\(i).") }
    replace(sam + "proj.conv1.", sam + "net_2.")
    replace(sam + "proj.conv2.", sam + "net_3.")
    return name.hasPrefix(sam + "blocks.") ? name.replacing(".layer_norm", with: ".norm") : name
  }

  /// The decoder's config with DeepSeek's own keys: transformers writes a list of its blocks' kinds, and leaves out what all its decoders of
  /// this model have in common.
  private static func language(_ config: ConfigReader) throws -> ConfigReader {
    guard config.has("text_config") else { return config.has("language_config") ? try config.object("language_config") : config }
    let text = try config.object("text_config")
    var members = text.value.members ?? []
    if !text.has("use_mla") { members.append(("use_mla", .bool(false))) }
    if let kinds = text.value["mlp_layer_types"]?.array?.map(\.string) {
      let dense = kinds.prefix { $0 == "dense" }.count
      guard kinds.dropFirst(dense).allSatisfy({ $0 == "sparse" }) else {
        throw text.fail("mlp_layer_types", "only dense blocks in front of sparse ones are supported")
      }
      members.append(("first_k_dense_replace", .int(Int64(dense))))
    }
    return ConfigReader(file: text.file, value: .object(members), path: text.path)
  }

  /// - Parameter processor: the image processor's settings. The published checkpoint has none that differ from the defaults.
  private static func setPreprocessing(_ s: inout DeepSeekOCR2Settings, _ processor: ConfigReader?) throws {
    let half = [0.5, 0.5, 0.5]
    s.sam.statistics = NormalisationSettings(
      mean: try processor?.doubles("image_mean", count: 3) ?? half, std: try processor?.doubles("image_std", count: 3) ?? half)
    guard let processor else { return }
    try ImagePreprocessing.checkRescaling(processor)
    guard !s.sam.statistics.std.contains(where: { $0 <= 0 }) else { throw processor.fail("image_std", "should be above zero") }
    for (key, wanted) in [("resample", 3), ("tile_size", DeepSeekOCR2Settings.tileSide)] {
      guard try processor.int(key, default: wanted) == wanted else { throw processor.fail(key, "only \(wanted) is supported") }
    }
    for step in ["do_resize", "do_rescale", "do_normalize"] {
      guard try processor.bool(step, default: true) else { throw processor.fail(step, "images that skip this step are not supported") }
    }
    guard try processor.ints("background_color") ?? [127, 127, 127] == [127, 127, 127] else {
      throw processor.fail("background_color", "only [127, 127, 127] is supported")
    }
    s.leastTiles = try processor.size("min_patches", default: s.leastTiles)
    s.mostTiles = try processor.size("max_patches", default: s.mostTiles)
    guard s.mostTiles <= 64, s.leastTiles <= s.mostTiles else {
      throw processor.fail("max_patches", "\(s.mostTiles) is not between min_patches, \(s.leastTiles), and 64")
    }
    let size = processor.has("size") ? try processor.object("size") : nil
    if let size { s.side = try size.size("height", default: DeepSeekOCR2Settings.pageSide) }
    let height = s.side
    if try !processor.bool("crop_to_patches", default: true) { (s.side, s.mostTiles) = (DeepSeekOCR2Settings.tileSide, 0) }
    guard [DeepSeekOCR2Settings.tileSide, DeepSeekOCR2Settings.pageSide].contains(s.side) else {
      throw processor.fail("size", "\(s.side) is not 768 or 1024, for which there are queries")
    }
    if let size, try size.size("width", default: height) != height { throw size.fail("width", "only squares are supported") }
  }
}
