// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Conversion
import Families
import Foundation
import Generation
import Schema
import Testing
import WeightFile

@Suite struct CheckpointTests {
  private func describe(_ folder: TemporaryFolder) throws -> SystemDescription {
    try SystemDescription(OpenCheckpoint(path: folder.path))
  }

  /// Renames a tensor in a safetensors header; the new name has the old one's length.
  private func rename(_ folder: TemporaryFolder, _ file: String, _ old: String, _ new: String) throws {
    try #require(old.utf8.count == new.utf8.count)
    var bytes = try folder.read(file)
    let range = try #require(bytes.firstRange(of: Array("\"\(old)\"".utf8)))
    bytes.replaceSubrange(range, with: Array("\"\(new)\"".utf8))
    try folder.write(file, bytes)
  }

  private func change(_ folder: TemporaryFolder, _ file: String, _ old: String, _ new: String) throws {
    let text = String(decoding: try folder.read(file), as: UTF8.self)
    try #require(text.contains(old), "\(file) has no \(old)")
    try folder.write(file, text.replacing(old, with: new))
  }

  @Test func namesMissingAndUnknownTensorsTogether() throws {
    let folder = try TemporaryFolder(copyOf: Fixture.checkpoint("hires"))
    try rename(folder, "model.safetensors", "model.image_sep.row", "model.image_sep.raw")
    try rename(folder, "model.safetensors", "model.norm.weight", "model.narm.weight")
    expectFailure(
      "missing tensors (2)", "model.image_sep.row", "model.norm.weight", "unknown tensors (2)", "model.image_sep.raw",
      "model.narm.weight"
    ) {
      _ = try describe(folder)
    }
  }

  @Test func namesTensorsOfAnotherShape() throws {
    let folder = try TemporaryFolder(copyOf: Fixture.checkpoint("hires"))
    try change(folder, "config.json", "\"intermediate_size\": 56", "\"intermediate_size\": 64")
    expectFailure(
      "another shape (6)", "model.layers.0.mlp.gate_proj.weight: [56, 24], expected [64, 24]", "model.layers.1.mlp.down_proj.weight"
    ) {
      _ = try describe(folder)
    }
  }

  @Test func leavesOutWhatTheSelectedLayerDoesNotNeed() throws {
    let system = try SystemDescription(OpenCheckpoint(path: Fixture.checkpoint("llava")))
    let names = system.tensors.map(\.name)
    // Three layers in the tower, feature layer −2.
    #expect(names.contains("vision.layers.1.mlp.contract.weight") && !names.contains { $0.hasPrefix("vision.layers.2.") })
    #expect(Set(names).count == names.count)
    #expect(names.first == "vision.patch.weight" && names.last == "language.head.weight")
  }

  @Test func readsShardsByTheirIndex() throws {
    let folder = try TemporaryFolder(copyOf: Fixture.checkpoint("llava_hf"))
    #expect(try describe(folder).system == "llava")
    let index = String(decoding: try folder.read("model.safetensors.index.json"), as: UTF8.self)
    // A tensor is said to be in a shard that lacks it.
    try folder.write("model.safetensors.index.json", index.replacing("model-00001-of-00003", with: "model-00002-of-00003"))
    expectFailure("missing tensors", "(model-00002-of-00003.safetensors)") { _ = try describe(folder) }
    for name in ["../secret.safetensors", "/etc/passwd", ".hidden", ""] {
      try folder.write("model.safetensors.index.json", index.replacing("model-00001-of-00003.safetensors", with: name))
      expectFailure("not a file name") { _ = try describe(folder) }
    }
    try folder.write("model.safetensors.index.json", index.replacing("model-00001-of-00003", with: "model-9"))
    expectFailure("model-9.safetensors") { _ = try describe(folder) }
  }

  @Test func anAbsentTowerIsNamed() throws {
    let folder = try TemporaryFolder(copyOf: Fixture.checkpoint("llava"))
    try FileManager.default.removeItem(atPath: folder.path + "/vision_tower")
    expectFailure("mm_vision_tower", "acme/clip-tiny", "--vision-tower") { _ = try describe(folder) }
    let system = try SystemDescription(OpenCheckpoint(path: folder.path, vision: Fixture.checkpoint("llava") + "/vision_tower"))
    #expect(system.system == "llava")
  }

  @Test(arguments: [
    ("\"model_type\": \"hires_llava\"", "\"model_type\": \"qwen\"", "qwen"),
    ("\"M\": 6", "\"M\": 0", "hires_llava.M"), ("\"sms_kernel\": 2", "\"sms_kernel\": 3", "sms_kernel"),
    ("\"quadruple\": false", "\"enlarge\": [99]", "hires_llava.enlarge"), ("\"quadruple\": false", "\"enlarge\": [1.25]", "hires_llava.enlarge"),
    ("\"sra_kernel\": 3", "\"sra_kernel\": 5", "sra_kernel"),
    ("\"sra_where\": \"parallel_attn\"", "\"sra_where\": \"above\"", "above"),
    ("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1000000000", "num_hidden_layers"),
    ("\"vocab_size\": 320", "\"vocab_size\": -1", "vocab_size"), ("\"vocab_size\": 320", "\"vocab_size\": 1e300", "vocab_size"),
    ("\"vocab_size\": 320", "\"vocab_size\": \"many\"", "vocab_size"),
    ("\"num_attention_heads\": 4,\n  \"num_key", "\"num_attention_heads\": 7,\n  \"num_key", "num_key_value_heads"),
    ("\"mm_vision_select_layer\": -2", "\"mm_vision_select_layer\": -9223372036854775808", "mm_vision_select_layer"),
    ("\"mm_vision_select_layer\": -2", "\"mm_vision_select_layer\": 12", "feature layer 12"),
    ("\"mm_vision_tower\": \"clip-tiny\"", "\"mm_vision_tower\": \"..\"", "mm_vision_tower"),
    ("HiResLlavaLlamaForCausalLM", "GPT2LMHeadModel", "GPT2LMHeadModel"),
  ])
  func configFaultsAreNamed(_ old: String, _ new: String, _ word: String) throws {
    let folder = try TemporaryFolder(copyOf: Fixture.checkpoint("hires"))
    try change(folder, "config.json", old, new)
    expectFailure(word) { _ = try describe(folder) }
  }

  @Test func enlargingIsPartOfTheDescription() throws {
    let folder = try TemporaryFolder(copyOf: Fixture.checkpoint("hires"))
    #expect((try describe(folder).vision as? HiResLLaVASettings)?.enlarge == [])
    try change(folder, "config.json", "\"quadruple\": false", "\"enlarge\": [100, 125]")
    #expect((try describe(folder).vision as? HiResLLaVASettings)?.enlarge == [100, 125])
  }

  @Test func transformersDefaultsFillWhatConfigsLeaveOut() throws {
    func text(_ json: String) throws -> TextConfig { try TextConfig(ConfigReader(file: "c", value: .parse(json, file: "c"))) }
    let vicuna = try text(#"{"model_type": "llama", "max_position_embeddings": 4096, "rms_norm_eps": 1e-05, "vocab_size": 32064}"#)
    let sizes: [Int] = [vicuna.hiddenSize, vicuna.intermediateSize, vicuna.layers, vicuna.heads, vicuna.kvHeads, vicuna.headSize]
    #expect(sizes == [4096, 11008, 32, 32, 32, 128])
    #expect(vicuna.contextLength == 4096 && vicuna.ropeTheta == 10000 && vicuna.ropeScaling == nil && !vicuna.tiedHead)
    let mistral = try text(
      #"{"model_type": "mistral", "rope_theta": 1000000.0, "sliding_window": null, "max_position_embeddings": 32768}"#)
    #expect(mistral.kvHeads == 8 && mistral.intermediateSize == 14336 && mistral.contextLength == 32768 && mistral.ropeTheta == 1e6)
    // Without a word about it a Mistral has a window, within which it is exact.
    #expect(try text(#"{"model_type": "mistral", "max_position_embeddings": 32768}"#).contextLength == 4096)
    let scaled = try text(#"{"rope_scaling": {"type": "linear", "factor": 4.0}}"#)
    #expect(scaled.ropeScaling == .init(type: "linear", factor: 4, bands: nil))
    let five = try text(
      #"{"rope_parameters": {"rope_type": "llama3", "rope_theta": 5e5, "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 8192}}"#
    )
    #expect(five.ropeTheta == 5e5 && five.ropeScaling?.bands == .init(low: 1, high: 4, originalContext: 8192))
    expectFailure("yarn") { _ = try text(#"{"rope_scaling": {"type": "yarn", "factor": 4.0}}"#) }

    let tower = try VisionConfig(ConfigReader(file: "c", value: .object([])), defaults: .llava)
    #expect(tower.hiddenSize == 1024 && tower.layers == 24 && tower.imageSize == 336 && tower.patchSize == 14)
    #expect(try tower.layersUsed(select: -2) == 23)
    #expect(try VisionConfig.known("openai/clip-vit-large-patch14-336")?.imageSize == 336)
  }

  /// Within the window attention is full, so a Qwen2 with one is exact up to its length.
  @Test(arguments: [
    ("", 4096), (#", "use_sliding_window": false, "max_window_layers": 0"#, 4096), (#", "use_sliding_window": true"#, 4096),
    (#", "use_sliding_window": true, "max_window_layers": 0"#, 16), (#", "use_sliding_window": true, "max_window_layers": 1"#, 16),
    (#", "use_sliding_window": true, "max_window_layers": 2"#, 4096),
    (#", "use_sliding_window": true, "layer_types": ["full_attention", "sliding_attention"]"#, 16),
    (#", "use_sliding_window": true, "max_window_layers": 0, "layer_types": ["full_attention", "full_attention"]"#, 4096),
  ])
  func slidingWindowsLimitQwen2(_ keys: String, _ length: Int) throws {
    let json = #"{"model_type": "qwen2", "num_hidden_layers": 2, "max_position_embeddings": 4096, "sliding_window": 16\#(keys)}"#
    #expect(try TextConfig(ConfigReader(file: "c", value: .parse(json, file: "c"))).contextLength == length)
  }

  @Test(arguments: [
    ("\"rescale_factor\": 0.00392156862745098", "\"rescale_factor\": 0.00784313725490196", "rescale_factor"),
    ("\"width\": 56", "\"width\": 48", "crop_size.width"),
    ("\"shortest_edge\": 56", "\"height\": 56, \"width\": 48", "size.width"),
    ("\"height\": 56", "\"height\": 48", "crop_size"),
  ])
  func otherPreprocessingIsRefused(_ old: String, _ new: String, _ word: String) throws {
    for name in ["llava_hf", "llava_next_hf_bin", "hires"] {
      let folder = try TemporaryFolder(copyOf: Fixture.checkpoint(name))
      try change(folder, "preprocessor_config.json", old, new)
      expectFailure(word) { _ = try describe(folder) }
    }
  }

  /// CLIPImageProcessor resizes to a height and width as they are, and crops afterwards.
  @Test(arguments: [
    ("\"shortest_edge\": 56", true, "square_crop"), ("\"height\": 56, \"width\": 56", true, "stretch"),
    ("\"height\": 56, \"width\": 56", false, "stretch"),
  ])
  func sizesWithAHeightStretch(_ size: String, _ crops: Bool, _ fit: String) throws {
    let folder = try TemporaryFolder(copyOf: Fixture.checkpoint("llava_hf"))
    try change(folder, "preprocessor_config.json", "\"shortest_edge\": 56", size)
    try change(folder, "preprocessor_config.json", "\"do_center_crop\": true", "\"do_center_crop\": \(crops)")
    #expect((try describe(folder).vision as? LLaVASettings)?.fit.fit.spelling.description == fit)
  }

  @Test func pinpointsAreWidthFirst() throws {
    func pinpoints(_ json: String, _ isHeightFirst: Bool) throws -> [Int]? {
      let reader = ConfigReader(file: "c", value: .object([("image_grid_pinpoints", try .parse(json, file: "c"))]))
      return try ImagePreprocessing.pinpoints(reader, isHeightFirst: isHeightFirst, tile: 336)
    }
    #expect(try pinpoints("[[336, 672], [1008, 336]]", false) == [336, 672, 1008, 336])
    #expect(try pinpoints("[[336, 672], [1008, 336]]", true) == [672, 336, 336, 1008])
    #expect(try pinpoints(#""[(336, 672), (672, 336)]""#, false) == [336, 672, 672, 336])
    expectFailure("multiples of 336") { _ = try pinpoints("[[336, 600]]", false) }
  }

  /// Every number of every JSON file, one at a time, becomes something it should not be.
  @Test(arguments: [
    "hires", "hires_stem", "llava_hf", "llava_next_hf_bin", "monkey", "text_monkey", "got", "got_hf", "vary_tiny", "vary_toy", "smolvlm",
    "granite_docling",
  ])
  func everyDamagedConfigIsReadOrRefused(_ name: String) throws {
    let source = Fixture.checkpoint(name)
    let output = try TemporaryFolder()
    for file in ["config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json", "clip-tiny/config.json"] {
      guard let whole = try? MappedFile(path: source + "/" + file).contents else { continue }
      let text = String(decoding: whole, as: UTF8.self)
      for number in text.matches(of: /[:\[] *(-?[0-9][0-9.e-]*)/) {
        for value in [
          "0", "-1", "3", "1073741824", "9223372036854775807", "-9223372036854775808", "1e300", "NaN", "null", "\"x\"", "[]", "{}",
        ] {
          let folder = try TemporaryFolder(copyOf: source)
          try folder.write(file, text.replacingCharacters(in: number.output.1.startIndex..<number.output.1.endIndex, with: value))
          do {
            let converter = try Converter(OpenCheckpoint(path: folder.path))
            _ = try converter.write(to: output.path + "/model.fovea")
            do { _ = try Model.load(path: output.path + "/model.fovea", options: LoadOptions()) } catch {
              Issue.record("\(name)/\(file), \(number.output.1) as \(value), converts and does not load: \(error)")
            }
          } catch is ConversionError {}
        }
      }
    }
    #expect(output.files == ["model.fovea"] || output.files.isEmpty)
  }
}
