// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Families
import Schema

/// GOT-OCR2 in its published layouts: the original (`GOTQwenForCausalLM`), transformers' (`got_ocr2`, as saved since 2025 and with
/// version 5's names), and mlx-vlm's.
enum GOTCheckpoint {
  private static let prefixes = ["model.vision_tower_high.", "vision_tower.", "model.vision_tower."]
  private static let language = [
    (prefix: "model.", head: "lm_head.weight"), (prefix: "language_model.model.", head: "language_model.lm_head.weight"),
    (prefix: "model.language_model.", head: "lm_head.weight"),
  ]
  private static let projectors = [
    "model.mm_projector_vary", "multi_modal_projector.multimodal_projector", "model.multi_modal_projector.multimodal_projector",
    "multi_modal_projector",
  ]

  /// nil: not such a checkpoint.
  static func describe(_ checkpoint: OpenCheckpoint) throws -> SystemDescription? {
    let config = checkpoint.config
    guard prefixes.contains(where: { checkpoint.source.info($0 + "pos_embed") != nil }) else { return nil }
    let plan = CheckpointPlan(checkpoint.source)
    let isNested = config.has("text_config")
    var text = try textConfig(config)
    let network = try SAMNames(
      plan, prefixes: prefixes, scope: "vocabulary", config: config.has("vision_config") ? try config.object("vision_config") : nil)
    network.plan(plan)
    let projector = projectors.first { plan.has($0 + ".weight") } ?? projectors[0]
    plan.linear("projector.vocabulary", .projector, inputs: network.outputSize, parts: [(projector, text.hiddenSize)], bias: .required)
    let decoder = try LlamaNames(plan, layouts: language, &text)
    decoder.plan(plan, text)

    // transformers names only the image token; `<img>` and `</img>` precede it.
    let filling = try config.int("image_token_index", default: try config.int("image_token_id", default: 151859))
    let marks = try VaryCheckpoint.imageMarks(config, start: isNested ? filling - 2 : 151857, vocabSize: text.vocabSize)
    var prompt = PromptFormat.got(leadingBlank: network.layout == .transformers)
    if checkpoint.file("modeling_GOT.py") != nil {
      // The original's system text includes its source code's indentation.
      prompt.system = prompt.system.replacing("system\n", with: "system\n        ")
    }
    var settings = GOTSettings()
    settings.vocabulary = network.settings(.blip)
    settings.marks = marks
    return try SystemDescription(
      system: "got", plan: plan, decoder: DecoderSettings(text.settings), vision: settings,
      prompt: prompt.overridden(by: config).settings(imageTokenSplitsText: true),
      tokenizer: TokenizerNeeds(endTokens: ["<|im_end|>", "<|endoftext|>"])
    ) { decoder.isIgnorable($0, text) }
  }

  /// A config without `text_config` is flat, or means the published sizes.
  private static func textConfig(_ config: ConfigReader) throws -> TextConfig {
    let reader = config.has("text_config") ? try config.object("text_config") : config
    guard try !reader.bool("use_sliding_window", default: false) else {
      throw reader.fail("use_sliding_window", "only false is supported")
    }
    var members = reader.value.members ?? []
    let isTied = try reader.bool("tie_word_embeddings", default: try config.bool("tie_word_embeddings", default: true))
    var defaults: [(key: String, value: JSONValue)] = [("tie_word_embeddings", .bool(isTied))]
    if !config.has("text_config") {
      defaults += [
        ("vocab_size", .int(151860)), ("hidden_size", .int(1024)), ("intermediate_size", .int(2816)), ("num_hidden_layers", .int(24)),
        ("num_attention_heads", .int(16)), ("max_position_embeddings", .int(32768)), ("rms_norm_eps", .double(1e-6)),
        ("rope_theta", .double(1e6)),
      ]
    }
    for (key, value) in defaults where !members.contains(where: { $0.key == key }) { members.append((key, value)) }
    return try TextConfig(ConfigReader(file: reader.file, value: .object(members), path: reader.path).typed("qwen2"))
  }
}
