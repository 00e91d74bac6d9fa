// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles

/// An `mmproj` file: a vision tower and its projector, of LLaVA (projector "mlp"), of Idefics3 and SmolVLM ("idefics3"), or of DeepSeek-OCR.
struct GGUFVision {
  let file: GGUFFile
  let names: GGUFNames
  private let kind: Kind
  private let image: Int?
  private let isSwapped: Bool

  private enum Kind {
    /// Whether image tokens are outside the vocabulary, as in the original code, or in it, as in transformers.
    case llava(isOriginal: Bool)
    case idefics3
    case deepSeek(isSecond: Bool)
  }

  /// - Parameter tokens: the decoder's vocabulary.
  init(path: String, tokens: [String]) throws {
    let file = try GGUFFile(path: path)
    self.file = file
    let settings = file.settings
    guard try settings.string("general.architecture") == "clip" else {
      throw ConversionError.unsupported("\(settings.file): not a vision tower (an mmproj file)")
    }
    let projector = try settings.string("clip.projector_type", default: try settings.string("clip.vision.projector_type", default: "mlp"))
    guard try !settings.bool("clip.use_silu", default: false) else { throw settings.fail("clip.use_silu", "true is not supported") }
    image = tokens.firstIndex { $0.utf8.elementsEqual("<image>".utf8) }
    // The older converter swapped the two names.
    let (width, hidden) = (try settings.size("clip.vision.embedding_length"), try settings.size("clip.vision.feed_forward_length"))
    isSwapped = width == hidden ? projector == "mlp" : file.info("v.blk.0.ffn_down.weight")?.shape == [hidden, width]
    switch projector {
    case "mlp":
      kind = .llava(isOriginal: image == nil)
      var names =
        image == nil
        ? GGUFNames(decoder: "model.", head: "lm_head.weight")
        : GGUFNames(decoder: "language_model.model.", head: "language_model.lm_head.weight")
      names.tower = image == nil ? OpenCheckpoint.towerPrefix : "vision_tower.vision_model."
      let modules =
        image == nil ? ["model.mm_projector.0", "model.mm_projector.2"] : ["multi_modal_projector.linear_1", "multi_modal_projector.linear_2"]
      for (ours, theirs) in zip(modules, ["mm.0", "mm.2"]) {
        for part in [".weight", ".bias"] { names.others[theirs + part] = ours + part }
      }
      for newline in ["model.image_newline", "v.image_newline"] { names.others[newline] = image == nil ? "model.image_newline" : "image_newline" }
      self.names = names
    case "idefics3":
      kind = .idefics3
      guard try settings.bool("clip.use_gelu", default: true) else { throw settings.fail("clip.use_gelu", "false is not supported") }
      var names = GGUFNames(decoder: "model.text_model.", head: "lm_head.weight")
      names.tower = "model.vision_model."
      names.others["mm.model.fc.weight"] = "model.connector.modality_projection.proj.weight"
      self.names = names
    case "deepseekocr", "deepseekocr2":
      kind = .deepSeek(isSecond: projector == "deepseekocr2")
      names = GGUFNames(decoder: "model.", head: "lm_head.weight")
    default:
      throw ConversionError.unsupported(
        "\(settings.file): a projector of type \(projector); of mmproj files mlp (LLaVA), idefics3 (SmolVLM), deepseekocr and deepseekocr2 are known")
    }
  }

  private var isIdefics3: Bool { if case .idefics3 = kind { true } else { false } }

  var isDeepSeek: Bool { if case .deepSeek = kind { true } else { false } }

  func rename(_ name: String) -> String? {
    if case .deepSeek(let isSecond) = kind { return GGUFDeepSeek.towerName(name, isSecond: isSecond) }
    return names.towerName(name, isSwapped: isSwapped)
  }

  /// config.json of decoder and tower.
  func config(decoder: [(key: String, value: JSONValue)]) throws -> JSONValue {
    let settings = file.settings.value
    var vision: [(key: String, value: JSONValue)] = []
    for (key, name) in [
      ("embedding_length", "hidden_size"), ("feed_forward_length", "intermediate_size"), ("block_count", "num_hidden_layers"),
      ("attention.head_count", "num_attention_heads"), ("image_size", "image_size"), ("patch_size", "patch_size"),
    ] {
      if let value = settings["clip.vision." + key] { vision.append((name, value)) }
    }
    if let epsilon = settings["clip.vision.attention.layer_norm_epsilon"]?.double {
      vision.append(("layer_norm_eps", .double(GGUFConfig.decimal(epsilon))))
    }
    if case .llava = kind {
      let usesGELU = settings["clip.use_gelu"]?.bool ?? false
      vision += [("model_type", .string("clip_vision_model")), ("hidden_act", .string(usesGELU ? "gelu" : "quick_gelu"))]
    }
    let imageToken: [(key: String, value: JSONValue)] = image.map { [("image_token_id", .int(Int64($0)))] } ?? []
    // The file ends with the feature layer.
    let select = (settings["clip.vision.feature_layer"]?.array?.last).flatMap(\.int) ?? -1
    let pairs = pinpoints.map { $0.map { JSONValue.array([.int(Int64($0)), .int(Int64($1))]) } }
    switch kind {
    case .deepSeek(let isSecond): return try GGUFDeepSeek.config(decoder: decoder, file.settings, isSecond: isSecond)
    case .idefics3:
      vision += [("model_type", .string("smolvlm_vision")), ("hidden_act", .string("gelu_pytorch_tanh"))]
      return .object(
        imageToken + [
          ("architectures", .array([.string("Idefics3ForConditionalGeneration")])), ("text_config", .object(decoder)),
          ("vision_config", .object(vision)), ("tie_word_embeddings", decoder.first { $0.key == "tie_word_embeddings" }?.value ?? .bool(false)),
          ("scale_factor", settings["clip.vision.projector.scale_factor"] ?? .int(2)),
        ])
    case .llava(isOriginal: true):
      var members =
        decoder.filter { $0.key != "model_type" } + [
          ("architectures", .array([.string("LlavaLlamaForCausalLM")])), ("model_type", .string("llava_llama")),
          ("vision_config", .object(vision)), ("mm_projector_type", .string("mlp2x_gelu")), ("mm_vision_select_layer", .int(Int64(select))),
          ("image_aspect_ratio", .string(pairs == nil ? "pad" : "anyres")), ("mm_patch_merge_type", .string("spatial_unpad")),
        ]
      if let pairs { members.append(("image_grid_pinpoints", .array(pairs))) }
      return .object(members)
    case .llava(isOriginal: false):
      var members =
        imageToken + [
          ("architectures", .array([.string(pairs == nil ? "LlavaForConditionalGeneration" : "LlavaNextForConditionalGeneration")])),
          ("text_config", .object(decoder)), ("vision_config", .object(vision)), ("vision_feature_layer", .int(Int64(select))),
        ]
      // transformers has the height first.
      if let pinpoints { members.append(("image_grid_pinpoints", .array(pinpoints.map { .array([.int(Int64($1)), .int(Int64($0))]) }))) }
      return .object(members)
    }
  }

  /// [width, height] of the candidate grids; nil: images are not cut.
  private var pinpoints: [(Int, Int)]? {
    guard let flat = file.settings.value["clip.vision.image_grid_pinpoints"]?.array?.compactMap(\.int), flat.count >= 2 else { return nil }
    return (0..<flat.count / 2).map { (flat[2 * $0], flat[2 * $0 + 1]) }
  }

  var preprocessor: JSONValue {
    let settings = file.settings.value
    var members: [(key: String, value: JSONValue)] = []
    for (name, usual) in [("image_mean", ImagePreprocessing.clip.mean), ("image_std", ImagePreprocessing.clip.std)] {
      guard let values = settings["clip.vision." + name]?.array?.compactMap(\.double) else { continue }
      if values.map({ Float($0) }) == usual.map({ Float($0) }), !isIdefics3 { continue }
      members.append((name, .array(values.map { .double(GGUFConfig.decimal($0)) })))
    }
    if isIdefics3 {
      func edge(_ value: JSONValue?) -> JSONValue { .object([("longest_edge", value ?? .null)]) }
      let side = settings["clip.vision.image_size"]
      members += [("max_image_size", edge(side)), ("size", edge(settings["clip.vision.preproc_image_size"] ?? side))]
    }
    return .object(members)
  }
}
