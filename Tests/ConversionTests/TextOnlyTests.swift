// SPDX-License-Identifier: Apache-2.0
import Conversion
import Families
import Foundation
import Generation
import Images
import Testing

/// Decoders without a tower, made of the text parts of the small SmolVLM and granite-docling.
@Suite struct TextOnlyTests {
  /// SmolLM2-Instruct's.
  private let chat = """
    {% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nYou are helpful<|im_end|>\\n' }}\
    {% endif %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}\
    {% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}
    """

  private func textPart(of name: String, architecture: String) throws -> TemporaryFolder {
    let folder = try TemporaryFolder(copyOf: Fixture.checkpoint(name))
    let config = try JSONSerialization.jsonObject(with: Data(folder.read("config.json"))) as? [String: Any]
    var text = try #require(config?["text_config"] as? [String: Any])
    text["architectures"] = [architecture]
    try folder.write("config.json", Array(JSONSerialization.data(withJSONObject: text)))
    let bytes = try folder.read("model.safetensors")
    let size = bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    let header = try #require(try JSONSerialization.jsonObject(with: Data(bytes[8..<8 + size])) as? [String: Any])
    var kept: [String: Any] = [:]
    var data: [UInt8] = []
    for (name, value) in header.sorted(by: { $0.key < $1.key }) where name.hasPrefix("model.text_model.") {
      var entry = try #require(value as? [String: Any])
      let ends = try #require(entry["data_offsets"] as? [Int])
      entry["data_offsets"] = [data.count, data.count + ends[1] - ends[0]]
      data += bytes[8 + size + ends[0]..<8 + size + ends[1]]
      kept["model." + name.dropFirst("model.text_model.".count)] = entry
    }
    let newHeader = String(decoding: try JSONSerialization.data(withJSONObject: kept), as: UTF8.self)
    try folder.write("model.safetensors", safetensors(newHeader, dataCount: 0) + data)
    for file in ["chat_template.json", "processor_config.json", "preprocessor_config.json"] {
      try FileManager.default.removeItem(atPath: folder.path + "/" + file)
    }
    return folder
  }

  private func model(_ path: String) throws -> Model {
    let folder = try TemporaryFolder()
    defer { withExtendedLifetime(folder) {} }
    var options = Converter.Options()
    options.type = .f32
    _ = try Converter(OpenCheckpoint(path: path), options: options).write(to: folder.path + "/m.fovea")
    // A mapped file stays when its folder goes.
    return try Model.load(path: folder.path + "/m.fovea", options: LoadOptions())
  }

  private func logits(_ model: Model) throws -> [Float] {
    var found: [Float] = []
    try Session(model).logits(prompt: Array("<|im_start|>User: 12 apples".utf8), images: [], options: .raw) { values, _ in found = Array(values) }
    return found
  }

  @Test(arguments: [("smolvlm", "LlamaForCausalLM", Float(1)), ("granite_docling", "GraniteForCausalLM", 3)])
  func itComputesWhatItDoesBesideATower(_ name: String, _ architecture: String, _ scaling: Float) throws {
    let whole = try logits(model(Fixture.checkpoint(name)))
    let folder = try textPart(of: name, architecture: architecture)
    let alone = try withExtendedLifetime(folder) { try logits(model(folder.path)) }
    try #require(whole.count == alone.count && !alone.isEmpty)
    // transformers' Idefics3 leaves Granite's division of logits away.
    let worst = zip(whole, alone).map { abs($0 - scaling * $1) }.max() ?? .infinity
    #expect(worst <= 1e-5 * (whole.map(abs).max() ?? 0), "\(worst)")
  }

  @Test func itsChatTemplateIsFollowed() throws {
    let folder = try textPart(of: "smolvlm", architecture: "LlamaForCausalLM")
    defer { withExtendedLifetime(folder) {} }
    #expect(try SystemDescription(OpenCheckpoint(path: folder.path)).prompt.template == "{question}")
    try folder.write("chat_template.jinja", chat)
    let system = try SystemDescription(OpenCheckpoint(path: folder.path))
    #expect(
      system.prompt.template
        == "<|im_start|>system\nYou are helpful<|im_end|>\n<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n")
    #expect(system.system == "text" && system.prompt.textTemplate.isEmpty)
  }

  /// Granite's chat form, and the other way to write SmolVLM's.
  @Test func publishedTemplatesOfTheirLinesAreRead() throws {
    let granite = """
      {%- for message in messages -%}{{- '<|start_of_role|>' + message['role'] + '<|end_of_role|>' -}}{%- if message['content'] is string -%}\
      {{- message['content'] -}}{%- else -%}{%- for part in message['content'] -%}{%- if part['type'] == 'text' -%}{{- part['text'] -}}\
      {%- elif part['type'] == 'image' -%}{{- '<image>' -}}{%- endif -%}{%- endfor -%}{%- endif -%}{{- '<|end_of_text|>\n' -}}{%- endfor -%}\
      {%- if add_generation_prompt -%}{{- '<|start_of_role|>assistant' -}}{%- if controls -%}{{- ' ' + controls | tojson() -}}{%- endif -%}\
      {{- '<|end_of_role|>' -}}{%- endif -%}
      """
    var folder = try TemporaryFolder(copyOf: Fixture.checkpoint("granite_docling"))
    try folder.write("chat_template.jinja", granite)
    let prompt = try SystemDescription(OpenCheckpoint(path: folder.path)).prompt
    #expect(
      prompt.template == "<|start_of_role|>user<|end_of_role|><image>{question}<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>")
    #expect(prompt.textTemplate.isEmpty && prompt.coordinates == .docTags && prompt.tasks.first == Array("docling".utf8))
    folder = try TemporaryFolder(copyOf: Fixture.checkpoint("smolvlm"))
    let own = String(decoding: try folder.read("chat_template.json"), as: UTF8.self)
    try folder.write("chat_template.json", own.replacing(" | capitalize", with: ".capitalize()"))
    #expect(try SystemDescription(OpenCheckpoint(path: folder.path)).prompt.template.hasPrefix("<|im_start|>User:<image>"))
  }

  @Test func imagesAreRefused() throws {
    let folder = try textPart(of: "smolvlm", architecture: "LlamaForCausalLM")
    let loaded: Model = try withExtendedLifetime(folder) { () throws -> Model in try model(folder.path) }
    #expect(loaded.system.vision.maximumTokens == 0)
    #expect(throws: (any Error).self) { try loaded.encode(.init(width: 4, height: 4, colour: .black)) }
  }

  /// What SmolVLM and Idefics3 publish: a colon before an image, a colon and a blank before text.
  @Test func questionsWithoutImagesHaveAFormOfTheirOwn() throws {
    for name in ["smolvlm", "idefics3"] {
      let prompt = try SystemDescription(OpenCheckpoint(path: Fixture.checkpoint(name))).prompt
      #expect(prompt.template == "<|im_start|>User:<image>{question}<end_of_utterance>\nAssistant:", "\(name)")
      #expect(prompt.textTemplate == "<|im_start|>User: {question}<end_of_utterance>\nAssistant:", "\(name)")
      #expect(prompt.stop.contains(Array("<end_of_utterance>".utf8)))
    }
  }
}
