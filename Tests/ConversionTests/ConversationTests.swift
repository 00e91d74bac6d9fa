// SPDX-License-Identifier: Apache-2.0
import Conversion
import Families
import Foundation
import Generation
import Images
import Schema
import Testing

/// Conversations of ten turns against transformers' `apply_chat_template`, or the checkpoint's own code, and greedy generation:
/// conversations.json, made by tools/reference/make_conversations.py.
@Suite struct ConversationTests {
  struct Recorded: Decodable {
    struct Turn: Decodable {
      var question: String, images: Int, prompt: [Int32], ids: [Int32], answer: String
    }
    struct Template: Decodable {
      struct Message: Decodable { var role: String, content: String }
      struct Trial: Decodable { var messages: [Message], text: String? }
      var template: String, texts: [Trial]
    }
    var vicuna: String
    var conversations: [String: [Turn]]
    var templates: [String: Template]
  }

  private func recorded() throws -> Recorded {
    try JSONDecoder().decode(Recorded.self, from: Data(contentsOf: URL(fileURLWithPath: Fixture.path("conversations.json"))))
  }

  private func model(_ name: String) throws -> Model {
    let folder = try TemporaryFolder(copyOf: Fixture.checkpoint(name))
    if name == "llava_hf" { try folder.write("chat_template.jinja", recorded().vicuna) }
    if name == "monkey" {
      let config = String(decoding: try folder.read("generation_config.json"), as: UTF8.self)
      try folder.write("generation_config.json", config.replacing(#""raw""#, with: #""chatml""#))
    }
    var options = Converter.Options()
    options.type = .f32
    _ = try Converter(OpenCheckpoint(path: folder.path), options: options).write(to: folder.path + "/m.fovea")
    // A mapped file stays when its folder goes.
    return try Model.load(path: folder.path + "/m.fovea", options: LoadOptions(threads: 2))
  }

  /// Ids, with −1 − i for image i.
  private func ids(_ model: Model, _ messages: [Message]) throws -> [Int32] {
    let turns = messages.map { Turn($0.role, $0.text, images: $0.images.count) }
    let images = messages.reduce(0) { $0 + $1.images.count }
    let parts = try model.system.tokenize(prompt: model.system.template.prompt(conversation: turns), images: images)
    return parts.enumerated().flatMap { i, part in part + (i < images ? [-1 - Int32(i)] : []) }
  }

  private func shared(_ a: [Int32], _ b: [Int32], _ imageTokens: Int) -> Int {
    zip(a, b).prefix { $0 == $1 }.reduce(0) { $0 + ($1.0 < 0 ? imageTokens : 1) }
  }

  @Test(arguments: ["llava_hf", "smolvlm", "monkey", "vary_toy"])
  func tenTurnsAreThoseOfTheReference(_ name: String) throws {
    let model = try model(name)
    let image = try model.encode(RGBImage.decode(path: Fixture.path("checkpoints/\(name)/image.png")))
    let session = try Session(model)
    var options = GenerateOptions()
    options.ignoresEnd = true
    var messages: [Message] = []
    var before: [Int32] = []
    for turn in try #require(try recorded().conversations[name]) {
      messages.append(Message(.user, Array(turn.question.utf8), images: Array(repeating: image, count: turn.images)))
      let found = try ids(model, messages)
      #expect(found == turn.prompt, "\(name): \(turn.question)")
      options.maxTokens = turn.ids.count
      let answer = try session.chat(messages, options: options)
      #expect(answer.ids == turn.ids, "\(name): \(turn.question)")
      // Images are all the same, whatever their number.
      let flat = { (ids: [Int32]) in ids.map { max($0, -1) } }
      let reused = shared(flat(before), flat(found), image.tokens)
      // Qwen's positions depend on the length of the prompt; those of this small one change all the time.
      #expect(answer.reusedTokens == reused || ["monkey", "vary_toy"].contains(name), "\(name): \(turn.question)")
      #expect(answer.promptTokens == shared(found, found, image.tokens))
      before = found + turn.ids.dropLast()
      messages.append(Message(.assistant, Array(turn.answer.utf8)))
    }
  }

  @Test func templatesAreFoundByRendering() throws {
    for (name, template) in try recorded().templates {
      var checkpoint = try OpenCheckpoint(path: Fixture.checkpoint("llava_hf"))
      checkpoint.chatTemplate = .template(ChatTemplate(source: template.template, file: name))
      let turns = try SystemDescription(checkpoint).prompt.turns
      #expect(!turns.user.isEmpty, "\(name)")
      for trial in template.texts {
        let messages = trial.messages.map { Turn(TurnSettings.Role(spelling: $0.role) ?? .user, Array($0.content.utf8)) }
        let found = try? Conversation(turns).prompt(messages)
        #expect(found.map { String(decoding: $0, as: UTF8.self) } == trial.text, "\(name)")
      }
    }
  }

  @Test func aTemplateThatPiecesDoNotSayHasNoTurns() throws {
    var checkpoint = try OpenCheckpoint(path: Fixture.checkpoint("llava_hf"))
    // Counts its turns.
    let source = "{% for m in messages %}{{ loop.index }}. {{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:"
    checkpoint.chatTemplate = .template(ChatTemplate(source: source, file: "counting"))
    let prompt = try SystemDescription(checkpoint).prompt
    #expect(prompt.turns.user.isEmpty && prompt.turnSeparator.isEmpty)
    #expect(PromptTemplate(prompt).conversation == nil)
  }

  /// Original LLaVA's `conv_…get_prompt()` of two turns, and Vary's.
  @Test func formsWithoutATemplateFollowTheOriginalCode() throws {
    func text(_ checkpoint: String, _ choice: OpenCheckpoint.ChatChoice? = nil, _ turns: [Turn]) throws -> String {
      var open = try OpenCheckpoint(path: Fixture.checkpoint(checkpoint))
      open.chatTemplate = choice
      return String(decoding: try PromptTemplate(SystemDescription(open).prompt).prompt(conversation: turns), as: UTF8.self)
    }
    func turn(_ role: TurnSettings.Role, _ text: String, _ images: Int = 0) -> Turn { Turn(role, Array(text.utf8), images: images) }
    let talk = [turn(.user, "Q", 1), turn(.assistant, " A "), turn(.user, "R")]
    #expect(try text("llava", nil, talk) == PromptFormat.vicuna.system + " USER: <image>\nQ ASSISTANT: A</s>USER: R ASSISTANT:")
    #expect(try text("llava", nil, [turn(.system, "S.")] + talk) == "S. USER: <image>\nQ ASSISTANT: A</s>USER: R ASSISTANT:")
    #expect(try text("hires", nil, talk).hasSuffix("ASSISTANT: A</s>USER: R ASSISTANT:"))
    #expect(try text("llava", .format(.mistral), talk) == "[INST] <image>\nQ [/INST] A </s>[INST] R [/INST]")
    #expect(
      try text("llava", .format(.chatML), talk)
        == "<|im_start|>system\nAnswer the questions.<|im_end|><|im_start|>user\n<image>\nQ<|im_end|><|im_start|>assistant\nA<|im_end|>"
        + "<|im_start|>user\nR<|im_end|><|im_start|>assistant\n")
    #expect(
      try text("vary_toy", nil, [turn(.system, "S")] + talk)
        == "<|im_start|>system\nS<|im_end|><|im_start|>user\n<image>\nQ<|im_end|><|im_start|>assistant\nA<|im_end|>"
        + "<|im_start|>user\nR<|im_end|><|im_start|>assistant\n")
    #expect(try text("llava", nil, [turn(.user, "a <image> b <image>", 2)]).hasSuffix("USER: a <image> b <image> ASSISTANT:"))
    for single in ["deepseek_ocr", "got", "text_monkey", "monkey"] {
      #expect(throws: FoveaError.self, "\(single)") { try text(single, nil, talk) }
      #expect(throws: FoveaError.self, "\(single)") { try text(single, nil, [turn(.system, "S")] + talk.prefix(1)) }
      _ = try text(single, nil, Array(talk.prefix(1)))
    }
  }

  private struct Beams: Decodable {
    var prompt: String, ids: [Int32], beams: Int, ends: [Int32], penalty: Float, answers: [[Int32]], scores: [Double]
  }

  /// beams.json, made by tools/reference/make_beams.py.
  @Test func beamsAreThoseOfTransformers() throws {
    let session = try Session(model("llava_hf"))
    for c in try JSONDecoder().decode([Beams].self, from: Data(contentsOf: URL(fileURLWithPath: Fixture.path("beams.json")))) {
      var options = GenerateOptions.raw
      (options.beams, options.stopIds, options.lengthPenalty, options.maxTokens, options.ignoresEnd) = (c.beams, c.ends, c.penalty, 10, true)
      let best = try session.generate(prompt: Array(c.prompt.utf8), images: [], options: options)
      let found = [best] + best.others
      #expect(best.promptTokens == c.ids.count)
      #expect(found.map(\.ids) == c.answers, "\(c.prompt), \(c.beams) beams")
      for (answer, score) in zip(found, c.scores) { #expect(abs(answer.score - score) < 1e-4) }
    }
  }
}
