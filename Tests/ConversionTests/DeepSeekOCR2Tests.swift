// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Conversion
import Families
import Generation
import Images
import Quantization
import Testing

/// DeepSeek-OCR 2 against transformers; tools/reference/make_deepseek2_checkpoints.py recorded it.
@Suite struct DeepSeekOCR2Tests {
  private static let name = "deepseek_ocr2"

  private func text(_ file: String) throws -> String {
    String(decoding: try MappedFile(path: Fixture.path("checkpoints/\(Self.name)/\(file)")).contents, as: UTF8.self)
  }

  /// The checkpoint with texts of its files replaced.
  private func checkpoint(_ changes: [(file: String, old: String, new: String)] = []) throws -> TemporaryFolder {
    let folder = try TemporaryFolder(copyOf: Fixture.checkpoint(Self.name))
    for (file, old, new) in changes {
      let text = String(decoding: try folder.read(file), as: UTF8.self)
      #expect(text.contains(old), "\(file) has no \(old)")
      try folder.write(file, text.replacing(old, with: new))
    }
    return folder
  }

  private func model(_ folder: TemporaryFolder, _ type: ModelType = .f32) throws -> Model {
    var options = Converter.Options()
    options.type = type
    _ = try Converter(OpenCheckpoint(path: folder.path), options: options).write(to: folder.path + "/m.fovea")
    return try Model.load(path: folder.path + "/m.fovea", options: LoadOptions())
  }

  /// What the image processor is told in a case.
  private func model(_ processor: String = "", _ type: ModelType = .f32) throws -> Model {
    let parts = processor.split(separator: "|").map(String.init)
    return try model(checkpoint(parts.isEmpty ? [] : [("preprocessor_config.json", parts[0], parts[1])]), type)
  }

  /// `picture` of make_deepseek_checkpoints.py.
  private func picture(_ width: Int, _ height: Int) throws -> RGBImage {
    let image = try RGBImage(width: width, height: height, colour: .black)
    for y in 0..<height {
      for x in 0..<width {
        image[x, y] = RGBColour(
          UInt8((x * x / 61 + y * 3) % 256), UInt8((y * y / 37 + x * 2 + x * y / 53) % 256), UInt8((x / 16 + y / 24) % 2 * 160 + x % 64))
      }
    }
    return image
  }

  private func relative(_ a: [Float], _ b: [Float]) -> Float {
    guard a.count == b.count else { return .infinity }
    let difference = zip(a, b).reduce(Float(0)) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    return (difference / b.reduce(Float(0)) { $0 + $1 * $1 }).squareRoot()
  }

  private func vectors(_ image: ImageEmbedding) -> [Float] {
    Array(UnsafeBufferPointer(start: image.data, count: image.tokens * image.hiddenSize))
  }

  @Test(arguments: [
    ("page", "", 640, 333), ("square", "", 768, 768), ("one", "\"min_patches\": 2|\"min_patches\": 1", 800, 790), ("two", "", 500, 1100),
    ("six", "", 1400, 960), ("uncut", "\"crop_to_patches\": true|\"crop_to_patches\": false", 900, 620),
  ])
  func floatsGiveTheAnswerOfTransformers(_ name: String, _ processor: String, _ width: Int, _ height: Int) throws {
    let model = try model(processor)
    let reference = try SafetensorsFile(path: Fixture.path("checkpoints/\(Self.name)/reference.safetensors"))
    func recorded(_ key: String) throws -> [Float] { try reference.readAll(try #require(reference.info("\(name).\(key)"))) }
    let prompt = try Array(text("prompt.txt").utf8)
    let image = try model.encode(picture(width, height))
    #expect([Float(image.tokens)] == (try recorded("tokens")))
    #expect(image.tokens <= model.system.vision.maximumTokens)
    let rows = Array(stride(from: 0, to: image.tokens, by: 37)) + [image.tokens - 1]
    let all = vectors(image)
    let embeddings = rows.flatMap { all[$0 * image.hiddenSize..<($0 + 1) * image.hiddenSize] }
    #expect(relative(embeddings, try recorded("embeddings")) < 1e-5)

    let session = try Session(model)
    var logits: [Float] = []
    let last = 4 * model.system.decoder.vocabSize
    try session.logits(prompt: prompt, images: [image], options: .raw) { values, _ in logits = Array(values.suffix(last)) }
    #expect(relative(logits, try recorded("logits")) < 1e-5)
    var options = GenerateOptions()
    (options.maxTokens, options.ignoresEnd, options.isRaw) = (32, true, true)
    #expect(try session.generate(prompt: prompt, images: [image], options: options).ids == recorded("greedy").map { Int32($0) })
  }

  /// transformers refuses what would have no pixel left.
  @Test func narrowPagesKeepAPixel() throws {
    let fit = try CanvasFit(centring: ImageSize(width: 1, height: 5000), onSquareOf: 768)
    #expect(fit.width == 1 && fit.height == 768)
  }

  /// The published config, and transformers' own names of tensors.
  @Test func everyLayoutGivesTheSame() throws {
    let page = try picture(800, 300)
    let expected = try vectors(model().encode(page))

    let published = try checkpoint()
    try published.write(
      "config.json",
      """
      {"architectures": ["DeepseekOCR2ForCausalLM"], "model_type": "deepseek_vl_v2", "language_config": {
        "architectures": ["DeepseekV2ForCausalLM"], "bos_token_id": 0, "eos_token_id": 1, "first_k_dense_replace": 1, "hidden_size": 32,
        "intermediate_size": 48, "max_position_embeddings": 2048, "moe_intermediate_size": 16, "n_group": 1, "n_routed_experts": 8,
        "n_shared_experts": 2, "num_attention_heads": 2, "num_experts_per_tok": 3, "num_hidden_layers": 3, "num_key_value_heads": 2,
        "topk_group": 1, "topk_method": "greedy", "use_mla": false, "vocab_size": 312},
       "projector_config": {"input_dim": 16, "model_type": "mlp_projector", "n_embed": 32, "projector_type": "linear"},
       "vision_config": {"image_size": 1024, "model_name": "deepencoderv2", "width": {"qwen2-0-5b": {"dim": 16, "heads": 2},
         "sam_vit_b": {"downsample_channels": [12, 16], "global_attn_indexes": [1], "heads": 2, "layers": 2, "width": 16}}}}
      """)
    #expect(try vectors(model(published).encode(page)) == expected)

    let renamed = try checkpoint()
    try renamed.write("model.safetensors", inTransformersNames(SafetensorsFile(path: published.path + "/model.safetensors")))
    #expect(try vectors(model(renamed).encode(page)) == expected)
  }

  /// The tensors with the names that transformers has for them in memory, experts in one tensor, as f32.
  private func inTransformersNames(_ file: SafetensorsFile) throws -> [UInt8] {
    var tensors: [String: (shape: [Int], values: [Float])] = [:]
    for info in file.tensors where !info.name.contains(".experts.") {
      var name = info.name
      for (old, new) in [
        ("model.qwen2_model.model.model.", "model.vision_tower.vision_encoder."), ("model.layers.", "model.language_model.layers."),
        ("model.embed_tokens.", "model.language_model.embed_tokens."), ("model.norm.", "model.language_model.norm."),
        ("model.projector.layers.", "model.multi_modal_projector."), ("model.view_seperator", "model.view_separator"),
        ("model.qwen2_model.query_768.", "model.vision_tower.query_768_resolution."),
        ("model.qwen2_model.query_1024.", "model.vision_tower.query_1024_resolution."), ("model.sam_model.", "model.vision_tower.sam_encoder."),
      ] where name.hasPrefix(old) {
        name = new + name.dropFirst(old.count)
      }
      if name.contains("sam_encoder") {
        for (old, new) in [
          (".blocks.", ".layers."), (".norm", ".layer_norm"), (".patch_embed.proj.", ".patch_embed.projection."), (".neck.0.", ".neck.conv1."),
          (".neck.1.", ".neck.layer_norm1."), (".neck.2.", ".neck.conv2."), (".neck.3.", ".neck.layer_norm2."), (".net_2.", ".proj.conv1."),
          (".net_3.", ".proj.conv2."),
        ] { name = name.replacing(old, with: new) }
      }
      tensors[name] = (info.shape, try file.readAll(info))
    }
    for layer in 1...2 {
      func values(_ expert: Int, _ part: String) throws -> [Float] {
        try file.readAll(#require(file.info("model.layers.\(layer).mlp.experts.\(expert).\(part)_proj.weight")))
      }
      let module = "model.language_model.layers.\(layer).mlp.experts."
      tensors[module + "gate_up_proj"] = ([8, 32, 32], try (0..<8).flatMap { try values($0, "gate") + values($0, "up") })
      tensors[module + "down_proj"] = ([8, 32, 16], try (0..<8).flatMap { try values($0, "down") })
    }
    return safetensors(tensors)
  }

  @Test func smallerTypesStayClose() throws {
    let page = try picture(900, 300)
    let expected = try vectors(model().encode(page))
    for type in [ModelType.int8, .int4] { #expect(try relative(vectors(model("", type).encode(page)), expected) < 0.06) }
  }

  @Test func pagesAreCutOnRequestOnly() throws {
    let vision = try model().system.vision
    let page = ImageSize(width: 1000, height: 3000)
    func shape(_ plan: ViewsPlan) -> [Int] { [plan.rows, plan.columns, plan.cuts.count] }
    #expect(shape(try vision.views(of: page)) == [3, 1, 4])
    #expect(shape(try vision.views(of: page, tiles: 2)) == [2, 1, 3])
    #expect(shape(try vision.views(of: page, tiles: 1)) == [0, 0, 1])
    for tiles in [0, 7] { #expect(throws: ImageError.self) { try vision.views(of: page, tiles: tiles) } }
    let template = try model().system.template
    #expect(template.ngramBan == 20 && template.ngramWindow == 90 && template.ngramAllowed == [Array("<td>".utf8), Array("</td>".utf8)])
  }

  @Test func whatItCannotReadIsNamed() throws {
    func refused(_ file: String, _ old: String, _ new: String, _ words: String) throws {
      let folder = try checkpoint([(file, old, new)])
      expectFailure(words) { _ = try Converter(OpenCheckpoint(path: folder.path)) }
    }
    try refused("config.json", "\"dense\",\n      \"sparse\",", "\"sparse\",\n      \"dense\",", "mlp_layer_types")
    try refused("config.json", "\"use_sliding_window\": false", "\"use_sliding_window\": true", "use_sliding_window")
    try refused("config.json", "\"num_key_value_heads\": 2", "\"num_key_value_heads\": 1", "k_proj")
    try refused("preprocessor_config.json", "\"tile_size\": 768", "\"tile_size\": 640", "tile_size")
    try refused("preprocessor_config.json", "\"height\": 1024", "\"height\": 512", "768 or 1024")
    try refused("preprocessor_config.json", "\"max_patches\": 6", "\"max_patches\": 1", "max_patches")
    try refused("preprocessor_config.json", "\"resample\": 3", "\"resample\": 2", "resample")
  }
}
