// SPDX-License-Identifier: Apache-2.0
import Schema

/// A checkpoint's prompt template, e.g. `{system} USER: <image>\n{question} ASSISTANT:`. Like its special tokens, it comes
/// from the file's metadata and is reproduced to the character.
package struct PromptTemplate {
  /// The mark for one image block in any prompt.
  package static let imageMark = Array("<image>".utf8)

  /// Tasks for reading a page, best first, by the names in the various systems.
  package static let readingTasks = ["docling", "markdown", "format", "ocr", "read"]
  /// What reads a page where there is no such task.
  package static let readingQuestion = "Read all the text in the image."

  private static let questionMark = Array("{question}".utf8)

  let template: [UInt8]
  /// For questions without images; empty: the template without its mark.
  let textTemplate: [UInt8]
  let system: [UInt8]
  /// True: the text around each `<image>` is tokenised by itself (LLaVA's `tokenizer_image_token`); false: `<image>` is a
  /// token of the vocabulary and the text is tokenised as one (llava-hf layouts).
  package let splitsText: Bool
  /// Texts that end an answer, besides the end-of-sequence ids.
  package let stops: [[UInt8]]
  /// Minimum length of an answer, in tokens.
  package let minTokens: Int
  /// n-grams of this length may not occur twice in prompt and answer; 0: off.
  package let ngramBan: Int
  /// Only n-grams within the last so many tokens count; 0: all.
  package let ngramWindow: Int
  /// Texts of tokens that are exempt from the n-gram ban.
  package let ngramAllowed: [[UInt8]]
  /// Adjacent images share one start and one end mark.
  package let joinsImages: Bool
  /// Conversation format; nil: the checkpoint was trained on single questions.
  package let conversation: Conversation?
  /// Other prompt templates that the checkpoint was trained with, by name.
  private let tasks: [(name: [UInt8], template: [UInt8])]

  /// The best of its tasks for reading a page; nil: it has none.
  package var readingTask: [UInt8]? {
    for task in Self.readingTasks { if let own = tasks.first(where: { $0.name == Array(task.utf8) }) { return own.name } }
    return nil
  }

  package init(_ s: PromptSettings) {
    template = Array(s.template.utf8)
    textTemplate = Array(s.textTemplate.utf8)
    system = Array(s.system.utf8)
    splitsText = s.imageTokenSplitsText
    stops = s.stop.filter { !$0.isEmpty }
    minTokens = s.minTokens
    ngramBan = s.ngramBan
    ngramWindow = s.ngramWindow
    ngramAllowed = s.ngramAllowed
    joinsImages = s.joinsImages
    conversation = Conversation(s)
    tasks = zip(s.tasks, s.taskTemplates).map { ($0, $1) }
  }

  /// The full prompt of a task that the file names, see `prompt(question:images:)`.
  /// - Throws: `.argument` when there is no such task, or it has a fixed question and another was given too.
  package func prompt(task name: [UInt8], question: [UInt8], images: Int) throws(FoveaError) -> [UInt8] {
    guard let task = tasks.first(where: { $0.name == name }) else {
      var known = ""
      for task in tasks { known += (known.isEmpty ? "" : ", ") + String(decoding: task.name, as: UTF8.self) }
      throw FoveaError.argument("task", "the model has no task \(String(decoding: name, as: UTF8.self)); it has \(known.isEmpty ? "none" : known)")
    }
    guard question.isEmpty || Self.next(Self.questionMark, in: task.template, from: 0) != nil else {
      throw FoveaError.argument("task", "\(String(decoding: name, as: UTF8.self)) asks by itself and takes no question")
    }
    return prompt(question: question, images: images, template: task.template)
  }

  /// The full prompt for a question about `images` images. Where the question has no `<image>` marks of its own, the
  /// template's mark is repeated for each image; where it has, they are kept in place and the template's is dropped.
  package func prompt(question: [UInt8], images: Int) -> [UInt8] {
    prompt(question: question, images: images, template: images == 0 && !textTemplate.isEmpty ? textTemplate : template)
  }

  /// The full prompt of a conversation, up to where the answer begins.
  /// - Throws: `.argument` when turns are not in order or marks and images differ in number, `.unsupported` for turns that the
  ///   checkpoint was not trained on; both name the message.
  package func prompt(conversation turns: [Turn]) throws(FoveaError) -> [UInt8] {
    try check(turns)
    if let conversation { return try conversation.prompt(turns) }
    guard turns[0].role == .user else { throw .unsupported("messages[0]", "this model was trained without system texts") }
    guard turns.count == 1 else { throw .unsupported("messages[1]", "this model was trained on single questions, not on conversations") }
    return prompt(question: turns[0].text, images: turns[0].images)
  }

  private func check(_ turns: [Turn]) throws(FoveaError) {
    var next = TurnSettings.Role.user
    for (i, turn) in turns.enumerated() {
      let marks = Self.imageMarks(in: turn.text)
      if turn.role != .user {
        guard marks == 0, turn.images == 0 else { throw .argument("messages[\(i)]", "only a user's turn can have images") }
      } else {
        guard marks == 0 || marks == turn.images else {
          throw .argument("messages[\(i)]", "\(marks) <image> marks, but \(turn.images) images were given")
        }
      }
      if turn.role == .system, i == 0 { continue }
      guard turn.role == next else {
        throw .argument(
          "messages[\(i)].role", turn.role == .system ? "a system text comes first" : "users and assistants take turns, a user first")
      }
      next = turn.role == .user ? .assistant : .user
    }
    guard next == .assistant else { throw .argument("messages", "the last one must be a user's") }
  }

  private func prompt(question: [UInt8], images: Int, template: [UInt8]) -> [UInt8] {
    let marked = Self.hasImageMark(question)
    var text: [UInt8] = []
    text.reserveCapacity(template.count + system.count + question.count + images * (Self.imageMark.count + 1))
    var i = 0
    while i < template.count {
      if Self.matches(Self.imageMark, template, at: i) {
        // The mark and the line break after it are one unit.
        var end = i + Self.imageMark.count
        if end < template.count, template[end] == UInt8(ascii: "\n") { end += 1 }
        if !marked, joinsImages, images > 0 {
          for _ in 0..<images { text += Self.imageMark }
          text += template[i + Self.imageMark.count..<end]
        } else if !marked {
          for _ in 0..<images { text += template[i..<end] }
        }
        i = end
      } else if Self.matches(Array("{system}".utf8), template, at: i) {
        text += system
        i += 8
      } else if Self.matches(Self.questionMark, template, at: i) {
        text += question
        i += 10
      } else {
        text.append(template[i])
        i += 1
      }
    }
    return text
  }

  package static func hasImageMark(_ text: [UInt8]) -> Bool { next(imageMark, in: text, from: 0) != nil }

  /// Number of `<image>` marks.
  package static func imageMarks(in text: [UInt8]) -> Int {
    var count = 0
    var i = 0
    while let at = next(imageMark, in: text, from: i) { (count, i) = (count + 1, at + imageMark.count) }
    return count
  }

  /// `text` split at its `<image>` marks: one part more than marks.
  package static func split(_ text: [UInt8]) -> [[UInt8]] {
    var parts: [[UInt8]] = []
    var start = 0
    while let at = next(imageMark, in: text, from: start) {
      parts.append(Array(text[start..<at]))
      start = at + imageMark.count
    }
    parts.append(Array(text[start...]))
    return parts
  }

  private static func matches(_ pattern: [UInt8], _ text: [UInt8], at i: Int) -> Bool {
    i + pattern.count <= text.count && text[i..<i + pattern.count].elementsEqual(pattern)
  }

  /// The first occurrence of a pattern.
  private static func next(_ pattern: [UInt8], in text: [UInt8], from start: Int) -> Int? {
    var i = start
    while i + pattern.count <= text.count {
      if text[i] == pattern[0], matches(pattern, text, at: i) { return i }
      i += 1
    }
    return nil
  }
}
