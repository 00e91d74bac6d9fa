// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Schema

/// LLaVA-1.5 and LLaVA-NeXT as transformers saves them: the published names of version 4 and the in-memory names of version 5.
enum TransformersLlava {
  static let language = [
    (prefix: "language_model.model.", head: "language_model.lm_head.weight"),
    (prefix: "model.language_model.", head: "lm_head.weight"),
  ]
  static let vision = [
    "vision_tower.vision_model.", "model.vision_tower.vision_model.", "model.vision_tower.", "vision_tower.",
  ]
  static let projector = ["multi_modal_projector.", "model.multi_modal_projector."]
  static let newline = ["image_newline", "model.image_newline"]
  /// [height, width]: the default of `image_grid_pinpoints`.
  static let defaultPinpoints = "[[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]]"

  static func describe(_ checkpoint: OpenCheckpoint, isNext: Bool) throws -> SystemDescription {
    let config = checkpoint.config
    let plan = CheckpointPlan(checkpoint.source)
    let textReader = try config.object("text_config")
    var text = try TextConfig(try withTiedHead(textReader, config))
    let visionConfig = try VisionConfig(try config.object("vision_config"), defaults: .llava)
    guard config.value["vision_feature_layer"]?.array == nil else {
      throw config.fail("vision_feature_layer", "several layers are not supported")
    }
    let used = try visionConfig.layersUsed(select: try config.int("vision_feature_layer", default: -2))
    let strategy = try config.string("vision_feature_select_strategy", default: "default")
    guard ["default", "full"].contains(strategy) else {
      throw config.fail("vision_feature_select_strategy", "\(strategy) is not supported")
    }
    guard try config.string("projector_hidden_act", default: "gelu") == "gelu" else {
      throw config.fail("projector_hidden_act", "only gelu is supported")
    }

    let tower = CLIPNames(plan, prefixes: vision, scope: "vision")
    tower.plan(plan, visionConfig, used: used)
    let module = projector.first { plan.has($0 + "linear_1.weight") } ?? projector[0]
    let bias: CheckpointPlan.Bias = try config.bool("multimodal_projector_bias", default: true) ? .required : .none
    plan.linear(
      "projector.0", .projector, inputs: visionConfig.hiddenSize, parts: [(module + "linear_1", text.hiddenSize)], bias: bias)
    plan.linear("projector.2", .projector, inputs: text.hiddenSize, parts: [(module + "linear_2", text.hiddenSize)], bias: bias)

    let preprocessor = try checkpoint.imageProcessor()
    let image = try ImagePreprocessing(preprocessor, imageSize: visionConfig.imageSize)
    var fit = SquareFitSettings(.squareCrop)
    var pinpoints: [Int]?
    if isNext {
      plan.table("imageNewline", [text.hiddenSize], from: newline.first { plan.has($0) } ?? newline[0])
      // The processor's list decides how an image is cut; the model's must agree, and is used where there is no processor.
      let tile = visionConfig.imageSize
      let readers = [preprocessor, config].compactMap { $0 }.filter { $0.has("image_grid_pinpoints") }
      let reader = if let first = readers.first { first } else { try defaultPinpointsReader() }
      pinpoints = try ImagePreprocessing.pinpoints(reader, isHeightFirst: true, tile: tile) ?? []
    } else if try preprocessor?.bool("do_pad", default: false) ?? false {
      fit = SquareFitSettings(.pad, padding: image.meanColour)
    } else {
      let crops = try preprocessor?.bool("do_center_crop", default: true) ?? true
      guard crops || image.isStretched else {
        throw ConversionError.unsupported("\(preprocessor?.file ?? ""): do_center_crop false with a shortest_edge size")
      }
      fit = SquareFitSettings(image.isStretched ? .stretch : .squareCrop)
    }

    let decoder = try LlamaNames(plan, layouts: language, &text)
    decoder.plan(plan, text)
    let isMistral = try textReader.string("model_type", default: "llama") == "mistral"
    let known: PromptFormat = isMistral ? (isNext ? .mistral : .bakLLaVA) : isNext ? .vicunaHuman : .plainVicuna
    let prompt = try known.following(checkpoint)
    let parts = LLaVAParts(
      vision: visionConfig.settings(used: used, dropClass: strategy == "default"), statistics: image.statistics,
      projector: ProjectorSettings(.mlp2xGELU), fit: fit, pinpoints: pinpoints, decoder: text,
      prompt: try prompt.overridden(by: config).settings(imageTokenSplitsText: false))
    let imageToken = try config.int("image_token_index", default: try config.int("image_token_id", default: 32000))
    return try parts.description(plan, tokenizer: TokenizerNeeds(imageToken: imageToken)) { name in
      decoder.isIgnorable(name, text) || tower.isIgnorable(name, used: used)
    }
  }

  /// The flag may be at the top or in the decoder's part.
  private static func withTiedHead(_ text: ConfigReader, _ config: ConfigReader) throws -> ConfigReader {
    guard try config.bool("tie_word_embeddings", default: false), var members = text.value.members else { return text }
    members.append(("tie_word_embeddings", .bool(true)))
    return ConfigReader(file: text.file, value: .object(members), path: "text_config.")
  }

  private static func defaultPinpointsReader() throws -> ConfigReader {
    ConfigReader(file: "the default", value: .object([("image_grid_pinpoints", try .parse(defaultPinpoints, file: "the default"))]))
  }
}
