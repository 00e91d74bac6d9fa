// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Families
import Schema

/// Vary-tiny (OPT after the vocabulary network), Vary-toy and Vary-base (Qwen v1 or LLaMA after CLIP and the network). Their configs use
/// various architecture names, so they are recognised by their tensors.
enum VaryCheckpoint {
  private static let tinyPrefix = "model.vision_tower_2."
  private static let highPrefixes = ["transformer.vision_tower_high.", "model.vision_tower_high."]

  /// nil: not such a checkpoint.
  static func describe(_ checkpoint: OpenCheckpoint) throws -> SystemDescription? {
    let source = checkpoint.source
    if source.info(tinyPrefix + "pos_embed") != nil { return try tiny(checkpoint) }
    for prefix in highPrefixes where source.info(prefix + "pos_embed") != nil {
      let root = prefix.hasPrefix("transformer.") ? "transformer." : "model."
      // GOT-OCR2 has the same name for the network but no CLIP.
      if source.info(root + "mm_projector.weight") != nil { return try twoTowers(checkpoint, root: root, network: prefix) }
    }
    return nil
  }

  // MARK: one tower

  private static func tiny(_ checkpoint: OpenCheckpoint) throws -> SystemDescription {
    let config = checkpoint.config
    let plan = CheckpointPlan(checkpoint.source)
    let network = try SAMNames(plan, prefixes: [tinyPrefix], scope: "vocabulary")
    let text = try OPTNames(config, plan)
    network.plan(plan)
    plan.linear(
      "projector.vocabulary", .projector, inputs: network.outputSize, parts: [("model.mm_projector", text.hiddenSize)], bias: .required)
    text.plan(plan)
    let marks = try imageMarks(config, start: 50266, vocabSize: text.vocabSize)
    var prompt = PromptFormat.varyTiny
    if try swallowsBlanks(checkpoint) { prompt = prompt.withoutBlanksAroundImage }
    var settings = VarySettings()
    settings.vocabulary = network.settings(try preprocessing(config, default: .blip))
    settings.marks = marks
    return try SystemDescription(
      system: "vary", plan: plan, decoder: DecoderSettings(text.settings), vision: settings,
      prompt: prompt.overridden(by: config).settings(imageTokenSplitsText: true), tokenizer: TokenizerNeeds(addsBegin: true)
    ) { text.isIgnorable($0) }
  }

  /// Whether the tokenizer strips the white space around `<img>` and `</img>`, as transformers 4.32 did for plainly added tokens.
  private static func swallowsBlanks(_ checkpoint: OpenCheckpoint) throws -> Bool {
    guard checkpoint.file("tokenizer.json") == nil else { return false }
    let files = try AddedTokenFiles(checkpoint, settings: try checkpoint.json("tokenizer_config.json"), json: nil)
    return try files.tokens(plainStrip: true).contains { $0.text == "<img>" && $0.strips != 0 }
  }

  // MARK: two towers

  private static func twoTowers(_ checkpoint: OpenCheckpoint, root: String, network prefix: String) throws -> SystemDescription {
    let config = checkpoint.config
    let plan = CheckpointPlan(checkpoint.source)
    let network = try SAMNames(plan, prefixes: [prefix], scope: "vocabulary")
    let clip = CLIPNames(plan, prefixes: ["\(root)vision_tower.vision_model.", "\(root)vision_tower.", OpenCheckpoint.towerPrefix], scope: "vision")
    let vision = try clip.config(checkpoint, plan)
    let used = try vision.layersUsed(select: try config.int("vision_select_layer", default: -1))
    network.plan(plan)
    clip.plan(plan, vision, used: used)

    let isQwen = root == "transformer."
    let (text, planText, ignores) = isQwen ? try qwen(config, plan) : try llama(config, plan)
    let size = text.hiddenSize
    guard size % 2 == 0 else { throw config.fail("hidden_size", "\(size) is odd; each tower gives half of it") }
    let projected: [(String, Int, String)] = [
      ("projector.vision", vision.hiddenSize, "mm_projector"), ("projector.vocabulary", network.outputSize, "mm_projector_vary"),
    ]
    for (name, inputs, module) in projected {
      plan.linear(name, .projector, inputs: inputs, parts: [(root + module, size / 2)], bias: .required)
    }
    planText(plan)

    // Vary-base and Vary-toy have one architecture; only their demos differ.
    let isToy = try config.string("fovea.vary", default: text.layers <= 24 && isQwen ? "toy" : "base") == "toy"
    let prompt = isQwen ? (isToy ? PromptFormat.varyToy : .varyBase) : .vicuna
    let marks = try imageMarks(config, start: 151857, vocabSize: text.vocabSize)
    let image = try ImagePreprocessing(nil, imageSize: vision.imageSize)
    var settings = VarySettings()
    settings.vocabulary = network.settings(try preprocessing(config, default: isToy ? .blip : .albumentations))
    settings.marks = marks
    settings.hasCLIP = true
    settings.vision = vision.settings(used: used, dropClass: true)
    settings.statistics = image.statistics
    settings.fit = SquareFitSettings(.squareCrop)
    return try SystemDescription(
      system: "vary", plan: plan, decoder: DecoderSettings(text), vision: settings,
      prompt: prompt.overridden(by: config).settings(imageTokenSplitsText: true),
      tokenizer: TokenizerNeeds(endTokens: isQwen ? ["<|im_end|>", "<|endoftext|>"] : [])
    ) { ignores($0) || clip.isIgnorable($0, used: used) }
  }

  private typealias Text = (settings: LlamaSettings, plan: (CheckpointPlan) -> Void, isIgnorable: (String) -> Bool)

  private static func qwen(_ config: ConfigReader, _ plan: CheckpointPlan) throws -> Text {
    let c = try QwenV1Config(config, plan)
    return (c.settings, { QwenV1Names.plan($0, c) }, { QwenV1Names.isIgnorable($0, c) })
  }

  private static func llama(_ config: ConfigReader, _ plan: CheckpointPlan) throws -> Text {
    var text = try TextConfig(config.typed("llama"))
    let names = try LlamaNames(plan, layouts: OriginalLlava.language, &text)
    let c = text
    return (c.settings, { names.plan($0, c) }, { names.isIgnorable($0, c) })
  }

  /// Ids of `<img>` and `</img>`.
  static func imageMarks(_ config: ConfigReader, start: Int, vocabSize: Int) throws -> ImageMarkSettings {
    let first = try config.int("im_start_token", default: start)
    let last = try config.int("im_end_token", default: first + 1)
    for (key, id) in [("im_start_token", first), ("im_end_token", last)] where !(0..<vocabSize).contains(id) {
      throw config.fail(key, "\(id) is not in a vocabulary of \(vocabSize)")
    }
    return ImageMarkSettings(startId: first, endId: last)
  }

  /// `fovea.preprocessing` in the config: "blip" or "albumentations".
  private static func preprocessing(_ config: ConfigReader, default fallback: SAMNames.Preprocessing) throws -> SAMNames.Preprocessing {
    switch try config.string("fovea.preprocessing", default: "") {
    case "": return fallback
    case "blip": return .blip
    case "albumentations": return .albumentations
    case let other: throw config.fail("fovea.preprocessing", "\(other) should be blip or albumentations")
    }
  }
}

extension ConfigReader {
  /// The same object with another `model_type`.
  func typed(_ type: String) -> ConfigReader {
    let members = (value.members ?? []).filter { $0.key != "model_type" }
    return ConfigReader(file: file, value: .object(members + [("model_type", .string(type))]), path: path)
  }
}

extension CLIPNames {
  /// The tower's sizes: from the config, else from the tensors (head size 64, as in every CLIP).
  func config(_ checkpoint: OpenCheckpoint, _ plan: CheckpointPlan) throws -> VisionConfig {
    if checkpoint.tower != nil || checkpoint.config.has("vision_config") { return try checkpoint.visionConfig() }
    func shape(_ name: String) throws -> [Int] {
      guard let shape = plan.source.info(prefix + name)?.shape, !shape.isEmpty else {
        throw ConversionError.tensors(missing: [prefix + name], unknown: [], misshapen: [])
      }
      return shape
    }
    let size = try shape("embeddings.class_embedding")[0]
    let patch = try shape("embeddings.patch_embedding.weight").last ?? 14
    let grid = Int(Double(max(try shape("embeddings.position_embedding.weight")[0] - 1, 0)).squareRoot())
    var layers = 0
    while layers <= 256, plan.has("\(prefix)encoder.layers.\(layers).layer_norm1.weight") { layers += 1 }
    let middle = try shape("encoder.layers.0.mlp.fc1.weight")[0]
    let json: [(key: String, value: JSONValue)] = [
      ("hidden_size", .int(Int64(size))), ("intermediate_size", .int(Int64(middle))), ("num_hidden_layers", .int(Int64(layers))),
      ("num_attention_heads", .int(Int64(max(size / 64, 1)))), ("image_size", .int(Int64(grid * patch))), ("patch_size", .int(Int64(patch))),
    ]
    return try VisionConfig(ConfigReader(file: "the vision tower's tensors", value: .object(json)), defaults: .llava)
  }
}
