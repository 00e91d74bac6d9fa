// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles

/// A checkpoint's chat template, turned into a prompt format by rendering a conversation with it.
package struct ChatTemplate: Sendable {
  let source: String
  /// The file that errors name.
  let file: String

  package init(source: String, file: String) {
    self.source = source
    self.file = file
  }

  /// The file that `--chat-template` names.
  package init(path: String) throws {
    let file: MappedFile
    do { file = try MappedFile(path: path) } catch ConversionError.cannotRead(_, let reason) {
      let formats = PromptFormat.named.map(\.name).joined(separator: ", ")
      throw ConversionError.badOption("\(path) is none of the formats \(formats), and as a file: \(reason)")
    }
    try self.init(file)
  }

  private init(_ file: MappedFile) throws {
    guard let text = file.withBytes({ String(validating: $0, as: UTF8.self) }) else {
      throw ConversionError.malformed(file: file.path, detail: "not UTF-8")
    }
    self.init(source: text, file: file.path)
  }

  /// The checkpoint's template: the processor's before the tokenizer's, as in transformers.
  static func find(_ checkpoint: OpenCheckpoint) throws -> ChatTemplate? {
    if let path = checkpoint.file("chat_template.jinja") { return try ChatTemplate(MappedFile(path: path)) }
    for name in ["chat_template.json", "processor_config.json", "tokenizer_config.json"] {
      guard let value = try checkpoint.json(name)?.value["chat_template"] else { continue }
      if let text = value.string { return ChatTemplate(source: text, file: name) }
      let named = value.array?.compactMap { entry in
        entry["template"]?.string.map { (name: entry["name"]?.string ?? "", template: $0) }
      }
      if let found = named?.first(where: { $0.name == "default" }) ?? named?.first { return ChatTemplate(source: found.template, file: name) }
      if case .null = value { continue }
      throw ConversionError.badConfig(file: name, key: "chat_template", detail: "should be a template, or a list of them")
    }
    return nil
  }

  private static let question = "⟦question⟧", answer = "⟦answer⟧", next = "⟦next⟧"

  /// - Parameters:
  ///   - known: the known format of such checkpoints; kept where the template renders the same.
  ///   - begin: the begin-of-sequence token.
  ///   - isBeginAdded: whether the tokenizer adds it by itself.
  ///   - seesImages: whether questions are about images.
  func format(known: PromptFormat, begin: String, isBeginAdded: Bool, end: String, seesImages: Bool) throws -> PromptFormat {
    var reason = ""
    // A text-only decoder's template takes texts; one for images may take both.
    for isList in [seesImages, !seesImages] {
      do {
        let template = try JinjaTemplate(source)
        func render(_ messages: [TemplateMessage], prompt: Bool) throws(JinjaError) -> String {
          var text = try template.render([
            "messages": .list(messages.map { $0.value(isList: isList) }), "add_generation_prompt": .bool(prompt), "bos_token": .string(begin),
            "eos_token": .string(end),
          ])
          if isBeginAdded, !begin.isEmpty, text.hasPrefix(begin) { text.removeFirst(begin.count) }
          return text
        }
        func user(_ text: String, image: Bool) -> TemplateMessage { TemplateMessage("user", text, images: image ? 1 : 0) }
        let first = try render([user(Self.question, image: seesImages)], prompt: true)
        guard first.ranges(of: "<image>").count == (seesImages ? 1 : 0), first.ranges(of: Self.question).count == 1 else {
          throw JinjaError("what it makes of a question about an image has no place for one of them")
        }
        let own = first.replacing(Self.question, with: "{question}")
        let text = try? render([user(Self.question, image: false)], prompt: true).replacing(Self.question, with: "{question}")
        let finder = TurnFinder(
          render: { messages, prompt throws(JinjaError) in try render(messages, prompt: prompt) }, seesImages: seesImages, isList: isList)
        if own == known.plainTemplate || own == known.template.replacing("{system} ", with: "") {
          var format = known
          format.turns = finder.turns(stop: known.stop).map { .pieces($0) } ?? .none
          return format
        }
        var format = PromptFormat(system: "", template: own, turnSeparator: end, stop: end.isEmpty ? [] : [end])
        let unmarked = own.replacing("<image>\n", with: "").replacing("<image>", with: "")
        if let text, text != unmarked, text.ranges(of: "{question}").count == 1 { format.textTemplate = text }
        // The text after an answer ends it.
        if let whole = try? render(
          [user(Self.question, image: seesImages), TemplateMessage("assistant", Self.answer), user(Self.next, image: false)], prompt: true),
          let answer = whole.firstRange(of: Self.answer), let next = whole.firstRange(of: Self.next)
        {
          let lead = Self.lead(first)
          var between = String(whole[answer.upperBound..<next.lowerBound])
          if !lead.isEmpty, let start = between.ranges(of: lead).last?.lowerBound { between = String(between[..<start]) }
          format.turnSeparator = between
          if let mark = Self.special(between), !format.stop.contains(mark) { format.stop.insert(mark, at: 0) }
        }
        format.turns = finder.turns(stop: format.stop).map { .pieces($0) } ?? .none
        return format
      } catch let error as JinjaError {
        reason = error.reason
      }
    }
    throw ConversionError.unsupported("\(file): a chat template with \(reason); name a format or give a file with --chat-template")
  }

  /// Start of a user's turn: the text before the image or the question, from the last special token on.
  private static func lead(_ rendered: String) -> String {
    let place = min(
      rendered.firstRange(of: "<image>")?.lowerBound ?? rendered.endIndex, rendered.firstRange(of: question)?.lowerBound ?? rendered.endIndex)
    let before = rendered[..<place]
    let start = before.ranges(of: /<\|[^|<>]*(start|begin)[^|<>]*\|>/).last?.lowerBound ?? before.startIndex
    return String(before[start...])
  }

  /// A special token that `text` begins with.
  private static func special(_ text: String) -> String? {
    text.prefixMatch(of: /\s*(<[^<>\s]+>)/).map { String($0.output.1) }
  }
}
