// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Families
import Schema

/// Ferret (arXiv:2310.07704) and Ferret-UI as published, and Ferret-v2 (arXiv:2404.07973), for which no checkpoint was published: its
/// names are this project's, on top of Ferret-UI's (tools/reference/FERRET_V2.md).
enum Ferret {
  private enum Kind: String { case ferret, ui = "ferret_ui", v2 = "ferret_v2" }
  static let sampler = "model.region_geo_sampler."
  /// The published evaluation's questions, the hint to name coordinates, and (unpublished) the request for all objects.
  private static let questions: [(name: String, question: String)] = [
    (name: "locate", question: "What is the location of {question} in the image?"),
    (name: "find", question: "What are the locations of {question}?"),
    (name: "ground", question: "{question}\nInclude the coordinates for each mentioned object."),
    (name: "detect", question: "List all objects in the image in raster order with their coordinates."),
  ]
  static let localPrefix = "model.vision_tower_local.vision_tower."

  static func describe(_ checkpoint: OpenCheckpoint) throws -> SystemDescription {
    let config = checkpoint.config
    let kind = try kind(config)
    let plan = CheckpointPlan(kind == .v2 ? try localSource(checkpoint) : checkpoint.source)
    var text = try TextConfig(config)
    let vision = try checkpoint.visionConfig()
    let used = try vision.layersUsed(select: try config.int("mm_vision_select_layer", default: -2))
    guard try OriginalLlava.dropsClass(config) else { throw config.fail("mm_vision_select_feature", "only patch is supported") }
    for key in ["mm_use_im_start_end", "region_fea_adapter"] where try config.bool(key, default: false) {
      throw config.fail(key, "is not supported")
    }

    let tower = CLIPNames(plan, prefixes: [OpenCheckpoint.towerPrefix], scope: "vision")
    tower.plan(plan, vision, used: used)
    let projector = try OriginalLlava.planProjector(plan, config, from: vision.hiddenSize, to: text.hiddenSize)
    let local = kind == .v2 ? try planLocal(plan, checkpoint, vision, text) : nil
    let region = try planSampler(plan, config, vision, text, local: local?.settings)
    let decoder = try LlamaNames(plan, layouts: OriginalLlava.language, &text)
    decoder.plan(plan, text)

    let image = try ImagePreprocessing(try checkpoint.imageProcessor(includingTower: true), imageSize: vision.imageSize)
    var settings = FerretSettings(kind == .ferret ? .none : kind == .ui ? .shared : .own)
    settings.vision = vision.settings(used: used, dropClass: true)
    settings.statistics = image.statistics
    (settings.projector, settings.region) = (projector, region)
    if let local { (settings.local, settings.localStatistics) = (local.settings, local.statistics) }
    if kind != .ferret {
      settings.pinpoints.pinpoints = try pinpoints(config, kind, tile: local?.settings.tileSide ?? vision.imageSize)
    }
    let isLlama3 = checkpoint.file("tokenizer.model") == nil
    let format: PromptFormat = isLlama3 ? .ferretLlama3 : kind == .ferret ? .ferret : .ferretUI
    var prompt = try format.overridden(by: config).asking(questions).settings(imageTokenSplitsText: true)
    prompt.coordinates = .ferret

    var needs = TokenizerNeeds(endTokens: isLlama3 ? ["<|eot_id|>"] : [])
    let token = try config.int("im_region_fea_token")
    guard (0..<text.vocabSize).contains(token) else {
      throw config.fail("im_region_fea_token", "\(token) is not in a vocabulary of \(text.vocabSize)")
    }
    needs.regionToken = (region.token, token)
    return try SystemDescription(
      system: kind.rawValue, plan: plan, decoder: DecoderSettings(text.settings), vision: settings, prompt: prompt, tokenizer: needs
    ) { name in
      decoder.isIgnorable(name, text) || tower.isIgnorable(name, used: used) || local?.isIgnorable(name) == true
    }
  }

  private static func kind(_ config: ConfigReader) throws -> Kind {
    let architecture = config.value["architectures"]?.array?.first?.string ?? ""
    if try config.string("model_type", default: "") == "ferret_v2" || architecture.hasPrefix("FerretV2") { return .v2 }
    switch try config.string("image_aspect_ratio", default: "square_nocrop") {
    case "anyres":
      let merge = try config.string("mm_patch_merge_type", default: "flat")
      guard merge == "spatial" else { throw config.fail("mm_patch_merge_type", "\(merge) is not supported, only spatial") }
      return .ui
    case "square_nocrop": return .ferret
    case let other: throw config.fail("image_aspect_ratio", "\(other) is not supported")
    }
  }

  /// The region sampler. Its width tells whether it reads the encoders' or the projected features.
  private static func planSampler(
    _ plan: CheckpointPlan, _ config: ConfigReader, _ vision: VisionConfig, _ text: TextConfig, local: DINOv2Settings?
  ) throws -> RegionSamplerSettings {
    let found = plan.source.info(sampler + "diff_projector_list.0.weight")?.shape.first.map { $0 - 2 }
    let size = found ?? vision.hiddenSize
    let isProjected = size != vision.hiddenSize
    guard !isProjected || size == text.hiddenSize else {
      throw ConversionError.unsupported(
        "a region sampler for maps of \(size) channels; the encoder has \(vision.hiddenSize), the decoder \(text.hiddenSize)")
    }
    if let local, !isProjected, local.hiddenSize != size {
      throw ConversionError.unsupported(
        "a region sampler on encoder features of \(size) channels beside a local encoder of \(local.hiddenSize): they are added")
    }
    for i in 0..<2 {
      let name = "region.stages.\(i)."
      let aggregation = "\(sampler)agg_projector_list.\(i)."
      plan.linear(
        name + "difference", .projector, inputs: size + 2, parts: [("\(sampler)diff_projector_list.\(i)", size + 2)],
        bias: .required)
      plan.matrix(
        name + "aggregation.weight", .projector, [size, 2 * (size + 2)], from: aggregation + "net.0.weight",
        sourceShape: [size, 2 * (size + 2), 1])
      plan.table(name + "aggregation.bias", [size], from: aggregation + "net.0.bias")
      plan.norm(name + "norm", size, from: aggregation + "norm", hasBias: true)
    }
    plan.linear("region.flatten", .projector, inputs: 32 * size, parts: [(sampler + "flatten_projector", size)], bias: .required)
    plan.linear("region.output", .projector, inputs: size, parts: [(sampler + "dim_projector", text.hiddenSize)], bias: .required)
    let named = try config.string("sampler_pooler_mode", default: "max")
    guard let pooling = RegionSamplerSettings.Pooling(spelling: named) else {
      throw config.fail("sampler_pooler_mode", "\(named) is not supported")
    }
    var s = RegionSamplerSettings()
    (s.isProjected, s.pooling) = (isProjected, pooling)
    s.isTransposed = try config.bool("region_sampler_transpose", default: true)
    return s
  }

  /// Candidate sizes [width, height, …]. Ferret-v2's default: every grid of up to six tiles, by columns, then rows.
  private static func pinpoints(_ config: ConfigReader, _ kind: Kind, tile: Int) throws -> [Int] {
    if let found = try ImagePreprocessing.pinpoints(config, isHeightFirst: false, tile: tile) { return found }
    guard kind == .v2 else { throw config.fail("image_grid_pinpoints", "is missing") }
    return (1...6).flatMap { columns in (1...6 / columns).flatMap { [columns * tile, $0 * tile] } }
  }

  // MARK: Ferret-v2's tile encoder

  private struct Local {
    let settings: DINOv2Settings
    let statistics: NormalisationSettings
    let isIgnorable: (String) -> Bool
  }

  private static func planLocal(
    _ plan: CheckpointPlan, _ checkpoint: OpenCheckpoint, _ vision: VisionConfig, _ text: TextConfig
  ) throws -> Local {
    let config = checkpoint.config
    guard try config.size("global_side", default: vision.imageSize) == vision.imageSize else {
      throw config.fail("global_side", "is not the vision tower's image size \(vision.imageSize)")
    }
    let named = try config.string("mm_vision_tower_local")
    let folder = try localFolder(checkpoint)
    guard let sizes = try folder.map({ try DINOv2Config($0.config()) }) ?? DINOv2Config.known(named) else {
      throw config.fail("mm_vision_tower_local", "no folder \(named) was found in or beside the checkpoint")
    }
    guard try config.size("mm_hidden_size_local", default: sizes.hiddenSize) == sizes.hiddenSize else {
      throw config.fail("mm_hidden_size_local", "is not the local tower's \(sizes.hiddenSize)")
    }
    let tileSide = try config.size("tile_side", default: vision.imageSize)
    guard tileSide % sizes.patchSize == 0, tileSide <= 4096 else {
      throw config.fail("tile_side", "\(tileSide) is not a multiple of \(sizes.patchSize) up to 4096")
    }
    var used = sizes.layers
    let normsOutput = !config.has("dino_select_layer")
    if !normsOutput {
      let select = try config.int("dino_select_layer")
      used = select < 0 ? sizes.layers + 1 + select : select
      guard (1...sizes.layers).contains(used) else {
        throw config.fail("dino_select_layer", "\(select) is no layer of a tower of \(sizes.layers)")
      }
    }
    let names = DINOv2Names(prefix: localPrefix, scope: "local")
    names.plan(plan, sizes, used: used, normsOutput: normsOutput)
    _ = try OriginalLlava.planProjector(
      plan, config, "localProjector", module: "model.mm_projector_local", from: sizes.hiddenSize, to: text.hiddenSize)

    let processor = try folder?.imageProcessor()
    if let processor { try ImagePreprocessing.checkRescaling(processor) }
    let statistics = NormalisationSettings(
      mean: try processor?.doubles("image_mean", count: 3) ?? ImagePreprocessing.imageNet.mean,
      std: try processor?.doubles("image_std", count: 3) ?? ImagePreprocessing.imageNet.std)
    guard statistics.std.allSatisfy({ $0 > 0 }), statistics.mean.allSatisfy({ (-1000...1000).contains($0) }) else {
      throw config.fail("mm_vision_tower_local", "its image_std should be above zero")
    }
    var settings = DINOv2Settings()
    (settings.hiddenSize, settings.intermediateSize, settings.layers, settings.heads) = (sizes.hiddenSize, sizes.intermediateSize, used, sizes.heads)
    (settings.tileSide, settings.patchSize, settings.positionSide) = (tileSide, sizes.patchSize, sizes.positionSide)
    (settings.normEpsilon, settings.normsOutput) = (sizes.normEpsilon, normsOutput)
    return Local(settings: settings, statistics: statistics) {
      names.isIgnorable($0, used: used, normsOutput: normsOutput)
    }
  }

  /// The folder that `mm_vision_tower_local` names in or beside the checkpoint.
  private static func localFolder(_ checkpoint: OpenCheckpoint) throws -> CheckpointDirectory? {
    let named = try checkpoint.config.string("mm_vision_tower_local")
    let last = named.split(separator: "/").last.map(String.init) ?? ""
    guard !last.isEmpty, last != "..", last != "." else {
      throw checkpoint.config.fail("mm_vision_tower_local", "\(named) is not a folder name")
    }
    for folder in checkpoint.folders {
      for name in [last, "../" + last] { if let found = folder.folder(name) { return found } }
    }
    return nil
  }

  /// The checkpoint's tensors; those of the local tower's own folder where the checkpoint lacks them.
  private static func localSource(_ checkpoint: OpenCheckpoint) throws -> any TensorSource {
    guard checkpoint.source.info(localPrefix + "embeddings.cls_token") == nil, let folder = try localFolder(checkpoint), folder.hasWeights
    else { return checkpoint.source }
    let combined = CombinedSource()
    try combined.add(checkpoint.source)
    try combined.add(try folder.weights()) { localPrefix + ($0.hasPrefix("dinov2.") ? String($0.dropFirst("dinov2.".count)) : $0) }
    return combined
  }
}
