// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Schema

/// Checkpoints of the original LLaVA code (1.5 and NeXT, on Vicuna or Mistral): a LLaMA with `model.mm_projector`, the tower inside or beside.
enum OriginalLlava {
  static let language = [(prefix: "model.", head: "lm_head.weight")]

  static func describe(_ checkpoint: OpenCheckpoint) throws -> SystemDescription {
    let config = checkpoint.config
    let plan = CheckpointPlan(checkpoint.source)
    var text = try TextConfig(config)
    let vision = try checkpoint.visionConfig()
    let used = try vision.layersUsed(select: try config.int("mm_vision_select_layer", default: -2))
    let dropClass = try dropsClass(config)
    guard try !config.bool("mm_use_im_start_end", default: false) else {
      throw config.fail("mm_use_im_start_end", "is not supported")
    }

    let tower = CLIPNames(plan, prefixes: [OpenCheckpoint.towerPrefix], scope: "vision")
    tower.plan(plan, vision, used: used)
    let projector = try planProjector(plan, config, from: vision.hiddenSize, to: text.hiddenSize)

    let image = try ImagePreprocessing(try checkpoint.imageProcessor(includingTower: true), imageSize: vision.imageSize)
    var fit = SquareFitSettings(.squareCrop)
    var pinpoints: [Int]?
    let aspect = try config.string("image_aspect_ratio", default: "square")
    switch aspect {
    case "pad": fit = SquareFitSettings(.pad, padding: image.meanColour)
    case "square": if image.isStretched { fit = SquareFitSettings(.stretch) }
    case "anyres":
      let merge = try config.string("mm_patch_merge_type", default: "flat")
      guard merge == "spatial_unpad" else {
        throw config.fail("mm_patch_merge_type", "\(merge) with image_aspect_ratio anyres is not supported")
      }
      pinpoints = try ImagePreprocessing.pinpoints(config, isHeightFirst: false, tile: vision.imageSize)
      guard pinpoints != nil else { throw config.fail("image_grid_pinpoints", "is missing") }
      plan.table("imageNewline", [text.hiddenSize], from: "model.image_newline")
    default: throw config.fail("image_aspect_ratio", "\(aspect) is not supported")
    }

    let decoder = try LlamaNames(plan, layouts: language, &text)
    decoder.plan(plan, text)
    let isMistral = try config.string("model_type", default: "") == "llava_mistral"
    // BakLLaVA, a 1.5 on Mistral, was trained with Vicuna's turns.
    let known: PromptFormat = isMistral && pinpoints != nil ? .mistral : .vicuna
    let prompt = try known.following(checkpoint, isOriginal: true).overridden(by: config)
    let clip = vision.settings(used: used, dropClass: dropClass)
    let parts = LLaVAParts(
      vision: clip, statistics: image.statistics, projector: projector, fit: fit, pinpoints: pinpoints, decoder: text,
      prompt: prompt.settings(imageTokenSplitsText: true))
    return try parts.description(plan) { name in
      decoder.isIgnorable(name, text) || tower.isIgnorable(name, used: used)
        || (pinpoints == nil && name == "model.image_newline")
    }
  }

  static func dropsClass(_ config: ConfigReader) throws -> Bool {
    switch try config.string("mm_vision_select_feature", default: "patch") {
    case "patch": return true
    case "cls_patch": return false
    case let other: throw config.fail("mm_vision_select_feature", "\(other) is not supported")
    }
  }

  /// One Linear, or two with a GELU between (`nn.Sequential` indices 0 and 2).
  static func planProjector(
    _ plan: CheckpointPlan, _ config: ConfigReader, _ name: String = "projector", module: String = "model.mm_projector", from inputs: Int,
    to width: Int
  ) throws -> ProjectorSettings {
    let kind = try config.string("mm_projector_type", default: "linear")
    switch ProjectorSettings.Kind(spelling: kind) {
    case .linear:
      plan.linear(name + ".0", .projector, inputs: inputs, parts: [(module, width)], bias: .required)
      return ProjectorSettings(.linear)
    case .mlp2xGELU:
      plan.linear(name + ".0", .projector, inputs: inputs, parts: [(module + ".0", width)], bias: .required)
      plan.linear(name + ".2", .projector, inputs: width, parts: [(module + ".2", width)], bias: .required)
      return ProjectorSettings(.mlp2xGELU)
    case nil: throw config.fail("mm_projector_type", "\(kind) is not supported")
    }
  }
}
