// SPDX-License-Identifier: Apache-2.0

extension PromptFormat {
  /// `conv_chatml_direct` of the original LLaVA: LLaVA-1.6-34b. No line breaks between turns.
  package static let chatML = PromptFormat(
    system: "Answer the questions.",
    template: "<|im_start|>system\n{system}<|im_end|><|im_start|>user\n<image>\n{question}<|im_end|><|im_start|>assistant\n",
    turnSeparator: "<|im_end|>", stop: ["<|im_end|>"])

  /// `conv_qwen` of LLaVA-NeXT: LLaVA on Qwen1.5 and Qwen2.
  package static let qwen = PromptFormat(
    system: "You are a helpful assistant.",
    template: "<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n<image>\n{question}<|im_end|>\n<|im_start|>assistant\n",
    turnSeparator: "<|im_end|>\n", stop: ["<|im_end|>"])

  /// BakLLaVA, a LLaVA-1.5 on Mistral, as in its transformers model card.
  package static let bakLLaVA = PromptFormat(
    system: "", template: "USER: <image>\n{question}\nASSISTANT:", turnSeparator: "</s>", stop: ["</s>"])

  /// SmolVLM's; Idefics3's without the token in front.
  package static let smolVLM = PromptFormat(
    system: "", template: "<|im_start|>User:<image>{question}<end_of_utterance>\nAssistant:",
    turnSeparator: "<end_of_utterance>\n", stop: ["<end_of_utterance>"], textTemplate: "<|im_start|>User: {question}<end_of_utterance>\nAssistant:")

  /// A base model without a format of its own: it continues the text.
  package static let plainText = PromptFormat(system: "", template: "{question}", turnSeparator: "\n", stop: [])

  /// `conv_llava_llama_3` without the begin token, which the tokenizer adds.
  package static let llama3 = PromptFormat(
    system: "You are a helpful language and vision assistant. You are able to understand the visual content that the user provides, "
      + "and assist the user with a variety of tasks using natural language.",
    template: "<|start_header_id|>system<|end_header_id|>\n\n{system}<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n"
      + "<image>\n{question}<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
    turnSeparator: "<|eot_id|>", stop: ["<|eot_id|>"])

  /// Formats that `--chat-template` knows by name.
  package static let named: [(name: String, format: PromptFormat)] = [
    ("vicuna", vicuna), ("vicuna-human", vicunaHuman), ("plain-vicuna", plainVicuna), ("mistral", mistral), ("chatml", chatML), ("qwen", qwen),
    ("bakllava", bakLLaVA), ("llama3", llama3),
    ("plain", PromptFormat(system: "", template: "<image>\n{question}", turnSeparator: "\n", stop: [])),
  ]

  /// The template with the system text inserted.
  var plainTemplate: String { template.replacing("{system}", with: system) }

  /// Whether the tokenizer has ChatML's marks: such a model was not trained with Vicuna's turns.
  static func isChatML(_ checkpoint: OpenCheckpoint) throws -> Bool {
    for name in ["tokenizer_config.json", "added_tokens.json", "tokenizer.json"] {
      guard let value = try checkpoint.json(name)?.value else { continue }
      if value["<|im_start|>"] != nil { return true }
      let lists = [value["added_tokens_decoder"]?.members?.map(\.value), value["added_tokens"]?.array].compactMap { $0 }
      if lists.joined().contains(where: { $0["content"]?.string == "<|im_start|>" }) { return true }
    }
    return false
  }

  /// The requested format, else the one derived from the checkpoint's chat template, else this one.
  /// - Parameters:
  ///   - isOriginal: in the original LLaVA's layout a chat template is the language model's. For ChatML tokenizers its code has
  ///     formats of its own, whatever that template says.
  ///   - addsBegin: whether the tokenizer adds the begin token by itself.
  ///   - seesImages: whether questions are about images.
  func following(
    _ checkpoint: OpenCheckpoint, isOriginal: Bool = false, addsBegin: Bool = true, seesImages: Bool = true
  ) throws -> PromptFormat {
    func format(_ template: ChatTemplate) throws -> PromptFormat {
      try template.format(
        known: self, begin: Self.token("bos", checkpoint), isBeginAdded: addsBegin, end: Self.token("eos", checkpoint), seesImages: seesImages)
    }
    switch checkpoint.chatTemplate {
    case .format(let format)?: return format
    case .template(let template)?: return try format(template)
    case nil:
      let own = try ChatTemplate.find(checkpoint)
      if try (isOriginal || own == nil) && seesImages && textTemplate.isEmpty && Self.isChatML(checkpoint) {
        let text = checkpoint.config.has("text_config") ? try checkpoint.config.object("text_config") : checkpoint.config
        return try text.string("model_type", default: "").contains("qwen") ? .qwen : .chatML
      }
      return try own.map(format) ?? self
    }
  }

  private static func token(_ role: String, _ checkpoint: OpenCheckpoint) throws -> String {
    let value = try checkpoint.json("tokenizer_config.json")?.value[role + "_token"]
    return value?.string ?? value?["content"]?.string ?? ""
  }
}
