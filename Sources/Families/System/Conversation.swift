// SPDX-License-Identifier: Apache-2.0
import Schema

/// One turn of a conversation, with its regions written as text.
package struct Turn {
  package var role: TurnSettings.Role
  /// UTF-8. A user's may hold `<image>` marks, one for each image; without marks the template places the images.
  package var text: [UInt8]
  package var images: Int

  package init(_ role: TurnSettings.Role, _ text: [UInt8], images: Int = 0) {
    self.role = role
    self.text = text
    self.images = images
  }
}

/// A checkpoint's conversation format, reproduced to the character.
package struct Conversation {
  private let s: TurnSettings

  /// nil: the file has no conversation format.
  init?(_ prompt: PromptSettings) {
    let settings = prompt.turns.user.isEmpty ? TurnSettings(following: prompt) : prompt.turns
    guard let settings else { return nil }
    s = settings
  }

  package init(_ settings: TurnSettings) { s = settings }

  /// Texts that end an answer.
  package var stops: [[UInt8]] { s.stop }

  /// The prompt of checked turns (`Conversation.check`), up to where the answer begins.
  package func prompt(_ turns: [Turn]) throws(FoveaError) -> [UInt8] {
    var text: [UInt8] = []
    var rest = turns[...]
    var system: [UInt8]?
    if let first = rest.first, first.role == .system {
      rest.removeFirst()
      if !s.systemUser.isEmpty {
        system = first.text
      } else {
        guard !s.system.isEmpty else { throw .unsupported("messages[0]", "this model was trained without system texts") }
        text += fill(s.system, [("{text}", trimmed(first))])
      }
    } else {
      text += Array(s.noSystem.utf8)
    }
    for turn in rest {
      if turn.role == .assistant {
        text += fill(s.assistant, [("{text}", trimmed(turn))])
      } else {
        text += user(turn, system: system)
        system = nil
      }
    }
    return text + Array(s.answer.utf8)
  }

  private func user(_ turn: Turn, system: [UInt8]?) -> [UInt8] {
    var images: [UInt8] = []
    if !PromptTemplate.hasImageMark(turn.text) { for _ in 0..<turn.images { images += Array(s.image.utf8) } }
    let beginsWithImage = !images.isEmpty || turn.text.starts(with: PromptTemplate.imageMark)
    let template = system != nil ? s.systemUser : beginsWithImage || s.textUser.isEmpty ? s.user : s.textUser
    var turn = turn
    if !contains(template, Self.images) { turn.text = images + turn.text }
    // After a system text, a question's leading white space stays.
    let text = s.trims.contains(.user) ? Self.trimmed(turn.text, start: system == nil) : turn.text
    var values: [(mark: StaticString, value: [UInt8])] = [("{text}", text), ("{images}", images)]
    if let system { values.append(("{system}", s.trims.contains(.system) ? Self.trimmed(system) : system)) }
    return fill(template, values)
  }

  private static let images = Array("{images}".utf8)

  private func contains(_ template: String, _ mark: [UInt8]) -> Bool {
    let template = Array(template.utf8)
    return template.indices.contains { template[$0...].starts(with: mark) }
  }

  private func trimmed(_ turn: Turn) -> [UInt8] { s.trims.contains(turn.role) ? Self.trimmed(turn.text) : turn.text }

  /// The text without white space at its ends, as Python's `strip`.
  /// - Parameter start: false: leading white space stays.
  private static func trimmed(_ text: [UInt8], start: Bool = true) -> [UInt8] {
    func isBlank(_ c: Unicode.Scalar) -> Bool { c.properties.isWhitespace || (0x1C...0x1F).contains(c.value) }
    var scalars = String(decoding: text, as: UTF8.self).unicodeScalars[...]
    while start, let first = scalars.first, isBlank(first) { scalars.removeFirst() }
    while let last = scalars.last, isBlank(last) { scalars.removeLast() }
    return Array(String(scalars).utf8)
  }

  /// The template with marks replaced. Inserted values are not searched for marks.
  private func fill(_ template: String, _ values: [(mark: StaticString, value: [UInt8])]) -> [UInt8] {
    let template = Array(template.utf8)
    var text: [UInt8] = []
    var i = 0
    scan: while i < template.count {
      if template[i] == UInt8(ascii: "{") {
        for (mark, value) in values where template[i...].starts(with: UnsafeBufferPointer(start: mark.utf8Start, count: mark.utf8CodeUnitCount)) {
          text += value
          i += mark.utf8CodeUnitCount
          continue scan
        }
      }
      text.append(template[i])
      i += 1
    }
    return text
  }
}

extension TurnSettings {
  /// Starts of a user's turn in templates of published systems.
  private static let leads: [StaticString] = ["USER:", "<|im_start|>user", "[INST]", "<|start_header_id|>user", "User:"]

  /// Derives the conversation format from the template of a single question and the turn separator; nil where it cannot.
  package init?(following prompt: PromptSettings) {
    guard !prompt.turnSeparator.isEmpty, let parts = Self.split(prompt.template) else { return nil }
    self.init()
    user = parts.user
    if !prompt.textTemplate.isEmpty {
      guard let text = Self.split(prompt.textTemplate), text.before.utf8.elementsEqual(parts.before.utf8) else { return nil }
      textUser = text.user
    }
    image = parts.image
    // The start of the answer belongs to the user's turn. After ":" or "]" a space follows, since answers are trimmed.
    let last = parts.user.utf8.last
    let blank = last == UInt8(ascii: ":") || last == UInt8(ascii: "]") ? " " : ""
    assistant = blank + "{text}" + prompt.turnSeparator
    trims = [.assistant]
    noSystem = Self.replace("{system}", in: parts.before, with: prompt.system)
    if !noSystem.utf8.elementsEqual(parts.before.utf8) {
      // Vary's system text includes its marks.
      let (open, close) = ("<|im_start|>system\n", "<|im_end|>")
      let isMarked = prompt.system.utf8.starts(with: open.utf8) && prompt.system.utf8.reversed().starts(with: close.utf8.reversed())
      system = Self.replace("{system}", in: parts.before, with: isMarked ? open + "{text}" + close : "{text}")
    }
    stop = prompt.stop
  }

  private static func split(_ template: String) -> (before: String, user: String, image: String)? {
    let text = Array(template.utf8)
    let (mark, question) = (PromptTemplate.imageMark, Array("{question}".utf8))
    guard let place = find(question, in: text, from: 0) else { return nil }
    var start: Int?
    for lead in leads {
      let lead = Array(UnsafeBufferPointer(start: lead.utf8Start, count: lead.utf8CodeUnitCount))
      var from = 0
      while let at = find(lead, in: text, from: from), at < place {
        start = max(start ?? 0, at)
        from = at + 1
      }
    }
    guard let start else { return nil }
    // The mark and the line break after it are one unit, as in a single question.
    var image = mark
    var open = Array(text[start..<place])
    if let at = find(mark, in: open, from: 0) {
      var end = at + mark.count
      if end < open.count, open[end] == UInt8(ascii: "\n") {
        image.append(open[end])
        end += 1
      }
      open.replaceSubrange(at..<end, with: Array("{images}".utf8))
    } else if find(mark, in: text, from: 0) != nil {
      return nil
    }
    func string(_ bytes: some Collection<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }
    return (string(text[..<start]), string(open) + "{text}" + string(text[(place + question.count)...]), string(image))
  }

  private static func replace(_ pattern: String, in text: String, with new: String) -> String {
    let (bytes, pattern) = (Array(text.utf8), Array(pattern.utf8))
    guard let at = find(pattern, in: bytes, from: 0) else { return text }
    return String(decoding: bytes[..<at] + Array(new.utf8) + bytes[(at + pattern.count)...], as: UTF8.self)
  }

  private static func find(_ pattern: [UInt8], in text: [UInt8], from start: Int) -> Int? {
    var i = start
    while i + pattern.count <= text.count {
      if text[i..<i + pattern.count].elementsEqual(pattern) { return i }
      i += 1
    }
    return nil
  }
}
