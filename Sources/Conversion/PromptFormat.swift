// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Schema

/// A conversation format: `{system}`, `<image>` and `{question}` are substituted in the template.
package struct PromptFormat: Equatable, Sendable {
  package var system: String
  package var template: String
  /// Text between an answer and the next turn.
  package var turnSeparator: String
  package var stop: [String]
  /// Other prompt templates that the checkpoint was trained with, by name. One without `{question}` has a fixed question.
  package var tasks: [Task] = []
  /// Minimum tokens of an answer; until then it cannot end.
  package var minTokens = 0
  /// n-grams of this length may not occur twice; 0: off.
  package var ngramBan = 0
  /// Only n-grams within the last so many tokens count, 0: all; and tokens that are exempt.
  package var ngramWindow = 0
  package var ngramAllowed: [String] = []
  /// Adjacent images share one start and one end mark.
  package var joinsImages = false
  /// The template of a question without images, where that is not the template without its mark.
  package var textTemplate = ""
  package var turns = Turns.derived
  /// Tokens with which answers say where they read.
  package var locations = LocationSettings()

  /// The conversation format.
  package enum Turns: Equatable, Sendable {
    /// Derived from template and separator, if possible.
    case derived
    /// The checkpoint was trained on single questions.
    case none
    case pieces(TurnSettings)
  }

  package struct Task: Equatable, Sendable {
    package var name, template: String

    package init(_ name: String, _ template: String) {
      self.name = name
      self.template = template
    }
  }

  /// `conv_vicuna_v1` of the original LLaVA.
  package static let vicuna = PromptFormat(
    system: "A chat between a curious user and an artificial intelligence assistant. "
      + "The assistant gives helpful, detailed, and polite answers to the user's questions.",
    template: "{system} USER: <image>\n{question} ASSISTANT:", turnSeparator: "</s>", stop: ["</s>"])

  /// `conv_llava_v1`: the format in transformers' documentation of LLaVA-NeXT on Vicuna.
  package static let vicunaHuman = PromptFormat(
    system: "A chat between a curious human and an artificial intelligence assistant. "
      + "The assistant gives helpful, detailed, and polite answers to the human's questions.",
    template: vicuna.template, turnSeparator: "</s>", stop: ["</s>"])

  /// transformers' LLaVA-1.5: Vicuna's turns without a system text.
  package static let plainVicuna = PromptFormat(
    system: "", template: "USER: <image>\n{question} ASSISTANT:", turnSeparator: "</s>", stop: ["</s>"])

  /// `conv_mistral_instruct`.
  package static let mistral = PromptFormat(
    system: "", template: "[INST] <image>\n{question} [/INST]", turnSeparator: " </s>", stop: ["</s>"])

  /// `chat` of Qwen-VL's code, which Monkey-Chat includes too (`make_context`): ChatML with its system text.
  package static let qwenChat: Turns = {
    var s = TurnSettings()
    func turn(_ role: String, _ text: String) -> String { "<|im_start|>\(role)\n\(text)<|im_end|>" }
    (s.system, s.noSystem) = (turn("system", "{text}"), turn("system", "You are a helpful assistant."))
    s.user = "\n" + turn("user", "{images}{text}")
    s.assistant = "\n" + turn("assistant", "{text}")
    (s.image, s.imagesFirst, s.answer) = ("<image>", false, "\n<|im_start|>assistant\n")
    s.stop = ["<|im_end|>", "<|im_start|>"].map { Array($0.utf8) }
    return .pieces(s)
  }()

  /// Monkey and Monkey-Chat: plain text; the trailing space is worth nine points of accuracy. Monkey-Chat takes questions only;
  /// Monkey's request for a caption has no "Answer:".
  package static let monkey = PromptFormat(
    system: "", template: "<image> {question} Answer: ", turnSeparator: "", stop: [],
    tasks: [
      Task("vqa", "<image> {question} Answer: "), Task("chat", "<image> {question} Answer: "),
      Task("choice", "<image> \n {question} Answer: "),
      Task("caption", "<image> Generate the detailed caption in English: "),
      Task("chat-caption", "<image> Generate the detailed caption in English: Answer: "),
    ], minTokens: 1)

  /// TextMonkey's.
  package static let textMonkey = PromptFormat(
    system: "", template: "<image> {question} Answer:", turnSeparator: "", stop: [],
    tasks: [
      Task("vqa", "<image> {question} Answer:"), Task("read", "<image> Read all the text in the image."),
      Task("ocr", "<image> OCR with grounding:"), Task("locate", "<image> <ref>{question}</ref>"),
      Task("answer-location", "<image> {question} Provide the location coordinates of the answer when answering the question."),
      Task("chart", "<image> Convert the chart in this image to json format. Answer:"),
      Task("document", "<image> Convert the document in this image to json format. Answer:"),
      Task("table", "<image> Convert the table in this image to json format. Answer:"),
    ], minTokens: 1)

  /// `ferret_conv_vicuna_v1` of Ferret: its system text ends with a space, so two precede USER.
  package static let ferret = PromptFormat(
    system: ferretUI.system + " ", template: vicuna.template, turnSeparator: "</s>", stop: ["</s>"])

  /// `conv_ferret_vicuna_v1` of Ferret-UI.
  package static let ferretUI = PromptFormat(
    system: "A chat between a human and an AI that understands visuals. "
      + "In images, [x, y] denotes points: top-left [0, 0], bottom-right [width-1, height-1]. "
      + "Increasing x moves right; y moves down. "
      + "Bounding box: [x1, y1, x2, y2]. Image size: 1000x1000. Follow instructions.",
    template: vicuna.template, turnSeparator: "</s>", stop: ["</s>"])

  /// `conv_ferret_llama_3` of Ferret-UI. The tokenizer adds a begin token of its own, as upstream.
  package static let ferretLlama3 = PromptFormat(
    system: ferretUI.system,
    template: "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n{system}<|eot_id|>"
      + "<|start_header_id|>user<|end_header_id|>\n\n<image>\n{question}<|eot_id|>"
      + "<|start_header_id|>assistant<|end_header_id|>\n\n",
    turnSeparator: "<|eot_id|>", stop: [])

  /// The format, or `fovea.prompt` in the checkpoint's config.json.
  /// - Throws: where that lacks `<image>` and `{question}`.
  package func overridden(by config: ConfigReader) throws -> PromptFormat {
    let own = config.has("fovea.prompt") ? try config.object("fovea.prompt") : try config.object("fovea").object("prompt")
    var format = self
    if own.has("template") {
      format.template = try own.string("template")
      format.system = try own.string("system", default: "")
      format.textTemplate = ""
      format.turns = .derived
      guard format.template.contains("<image>"), format.template.contains("{question}") else {
        throw own.fail("template", "should hold <image> and {question}")
      }
    }
    for (name, value) in try own.object("tasks").value.members ?? [] {
      guard let template = value.string, template.contains("<image>") else { throw own.fail("tasks.\(name)", "should hold <image>") }
      format.tasks.removeAll { $0.name == name }
      format.tasks.append(Task(name, template))
    }
    format.turnSeparator = try own.string("turnSeparator", default: format.turnSeparator)
    if let stop = own.value["stop"] {
      guard let texts = stop.array?.compactMap(\.string), texts.count == stop.array?.count else {
        throw own.fail("stop", "should be a list of texts")
      }
      format.stop = texts
    }
    if own.has("locations") {
      let locations = try own.object("locations")
      format.locations.column = try locations.string("column")
      format.locations.row = try locations.string("row")
      format.locations.count = try locations.size("count")
    }
    return format
  }

  /// The format with further tasks that put `questions` into its template, except for names that the checkpoint has already.
  func asking(_ questions: [(name: String, question: String)]) -> PromptFormat {
    var format = self
    for (name, question) in questions where !tasks.contains(where: { $0.name == name }) {
      format.tasks.append(Task(name, template.replacing("{question}", with: question)))
    }
    return format
  }

  /// - Parameter imageTokenSplitsText: true: the text around `<image>` is tokenised in separate parts (original LLaVA); false: `<image>` is a
  ///   token of the vocabulary and the text is tokenised as one (transformers).
  func settings(imageTokenSplitsText: Bool) -> PromptSettings {
    func bytes(_ texts: [String]) -> [[UInt8]] { texts.map { Array($0.utf8) } }
    var s = PromptSettings()
    (s.system, s.template, s.turnSeparator, s.stop) = (system, template, turnSeparator, bytes(stop))
    (s.tasks, s.taskTemplates) = (bytes(tasks.map(\.name)), bytes(tasks.map(\.template)))
    s.textTemplate = textTemplate
    (s.imageTokenSplitsText, s.minTokens, s.ngramBan, s.joinsImages) = (imageTokenSplitsText, minTokens, ngramBan, joinsImages)
    s.locations = locations
    (s.ngramWindow, s.ngramAllowed) = (ngramWindow, bytes(ngramAllowed))
    switch turns {
    case .derived: s.turns = TurnSettings(following: s) ?? TurnSettings()
    case .none: s.turnSeparator = ""
    case .pieces(let pieces): s.turns = pieces
    }
    return s
  }
}
