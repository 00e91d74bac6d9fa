// SPDX-License-Identifier: Apache-2.0
import Families
import Schema

/// A message as templates get it: texts and images in order.
struct TemplateMessage {
  enum Part {
    case image
    case text(String)
  }

  let role: String
  let parts: [Part]

  init(_ role: String, _ parts: [Part]) {
    self.role = role
    self.parts = parts
  }

  init(_ role: String, _ text: String, images: Int = 0) {
    self.init(role, Array(repeating: .image, count: images) + [.text(text)])
  }

  /// - Parameter isList: a list of parts; false: one text.
  func value(isList: Bool) -> JinjaValue {
    let content: JinjaValue
    if isList {
      content = .list(
        parts.map {
          switch $0 {
          case .image: .object([("type", .string("image"))])
          case .text(let text): .object([("type", .string("text")), ("text", .string(text))])
          }
        })
    } else {
      content = .string(
        parts.map {
          switch $0 {
          case .image: "<image>\n"
          case .text(let text): text
          }
        }.joined())
    }
    return .object([("role", .string(role)), ("content", content)])
  }
}

/// Derives a template's turn format by rendering conversations, and verifies the result on others.
struct TurnFinder {
  typealias Render = (_ messages: [TemplateMessage], _ prompt: Bool) throws(JinjaError) -> String

  let render: Render
  let seesImages: Bool
  /// Whether texts and images keep their relative order.
  let isList: Bool

  private static let question = "⟦question⟧", answer = "⟦answer⟧", next = "⟦next⟧", system = "⟦system⟧"

  /// nil: the template's conversations are not a concatenation of fixed pieces and texts.
  func turns(stop: [String]) -> TurnSettings? {
    guard var found = try? pieces() else { return nil }
    found.stop = stop.map { Array($0.utf8) }
    if (try? holds(found)) == true { return found }
    // Without a derivable system form, conversations without a system text can still be supported.
    (found.system, found.systemUser) = ("", "")
    return (try? holds(found)) == true ? found : nil
  }

  private func pieces() throws(JinjaError) -> TurnSettings {
    func user(_ text: String, images: Int = 0) -> TemplateMessage { TemplateMessage("user", text, images: images) }
    let reply = TemplateMessage("assistant", Self.answer)
    let first = try render([user(Self.question)], false)
    let two = try render([user(Self.question), reply], false)
    let three = try render([user(Self.question), reply, user(Self.next)], false)
    var s = TurnSettings()
    s.answer = try Self.rest(try render([user(Self.question)], true), after: first)
    s.assistant = try Self.template(try Self.rest(two, after: first), Self.answer)
    var text = try Self.template(try Self.rest(three, after: two), Self.next)
    let opened = try Self.template(first, Self.question)
    // What a later turn has in front that the first has not, a begin token for instance, belongs after the answer.
    var cut = text.startIndex
    while !opened.hasSuffix(String(text[cut...])), cut < text.endIndex, text[cut...].contains("{text}") { cut = text.index(after: cut) }
    guard text[cut...].contains("{text}") else { throw JinjaError("first turns of another form") }
    let lead = String(text[..<cut])
    s.assistant += lead
    text = String(text[cut...])
    s.noSystem = String(opened.dropLast(text.count))
    (s.user, s.image) = (text, isList ? "<image>" : "<image>\n")
    if seesImages, isList {
      let marked = try Self.rest(try render([user(Self.question), reply, user(Self.next, images: 2)], false), after: two)
      let marks = marked.ranges(of: "<image>")
      guard marks.count == 2 else { throw JinjaError("no place for an image") }
      s.image = String(marked[marks[0].lowerBound..<marks[1].lowerBound])
      let images = s.image + s.image
      guard marked[marks[0].lowerBound...].hasPrefix(images) else { throw JinjaError("images of another form") }
      let imageEnd = marked.index(marks[0].lowerBound, offsetBy: images.count)
      let form = try Self.template(marked[..<marks[0].lowerBound] + "{images}" + marked[imageEnd...], Self.next)
      guard form.hasPrefix(lead) else { throw JinjaError("turns with images of another form") }
      s.user = String(form.dropFirst(lead.count))
      let parts: [TemplateMessage.Part] = [.text(Self.question), .image, .text(Self.next)]
      let mixed = try render([TemplateMessage("user", parts)], false)
      guard let image = mixed.firstRange(of: "<image>"), let a = mixed.firstRange(of: Self.question), let b = mixed.firstRange(of: Self.next),
        a.upperBound <= b.lowerBound
      else { throw JinjaError("parts in another order") }
      s.imagesFirst = image.lowerBound < a.lowerBound
      if s.imagesFirst { s.between = String(mixed[a.upperBound..<b.lowerBound]) }
      if s.user.replacing("{images}", with: "") != text { s.textUser = text }
    }
    try findSystem(&s, text)
    s.trims = try trimmed()
    return s
  }

  /// - Parameter text: a user's turn without images.
  private func findSystem(_ s: inout TurnSettings, _ text: String) throws(JinjaError) {
    let system = TemplateMessage("system", Self.system)
    guard let whole = try? render([system, TemplateMessage("user", Self.question)], false), whole.contains(Self.system) else { return }
    let form = try Self.template(whole, Self.question)
    if form.hasSuffix(text) {
      s.system = try Self.template(String(form.dropLast(text.count)), Self.system)
      return
    }
    guard form.ranges(of: Self.system).count == 1 else { throw JinjaError("a system text more than once") }
    s.systemUser = form.replacing(Self.system, with: "{system}").replacing("{text}", with: isList && seesImages ? "{images}{text}" : "{text}")
  }

  private func trimmed() throws(JinjaError) -> [TurnSettings.Role] {
    var trims: [TurnSettings.Role] = []
    for role in TurnSettings.Role.allCases {
      func message(_ name: TurnSettings.Role, _ text: String) -> TemplateMessage {
        TemplateMessage(name.spelling.description, name == role ? " \n\(text) \n" : text)
      }
      let turns = [message(.user, Self.question), message(.assistant, Self.answer), message(.user, Self.next)]
      guard let text = try? render(role == .system ? [message(.system, Self.system)] + turns : turns, true) else { continue }
      let mark = [TurnSettings.Role.system: Self.system, .user: Self.next, .assistant: Self.answer][role] ?? ""
      if text.contains(mark), !text.contains(" \n\(mark) \n") { trims.append(role) }
    }
    return trims
  }

  /// Whether the derived format writes other conversations as the template does.
  private func holds(_ s: TurnSettings) throws(JinjaError) -> Bool {
    let conversation = Conversation(s)
    func message(_ role: TurnSettings.Role, _ text: String, _ images: Int = 0) -> (Turn, TemplateMessage) {
      (Turn(role, Array(text.utf8), images: images), TemplateMessage(role.spelling.description, text, images: images))
    }
    var trials: [[(Turn, TemplateMessage)]] = []
    for images in seesImages ? [[0, 0, 0], [1, 0, 0], [0, 0, 1], [2, 1, 0]] : [[0, 0, 0]] {
      let turns = [
        message(.user, "What is it?", images[0]), message(.assistant, "A cat. "), message(.user, "\nWhere", images[1]),
        message(.assistant, " there"), message(.user, " How many {text}\n", images[2]),
      ]
      trials += [turns, Array(turns.prefix(1)), Array(turns.prefix(3))]
      if !(s.system.isEmpty && s.systemUser.isEmpty) {
        trials += [[message(.system, " Be brief.")] + turns, [message(.system, "Be brief.\n"), message(.user, " Who \n", images[0])]]
      }
    }
    for trial in trials {
      let expected = try render(trial.map(\.1), true)
      guard let found = try? conversation.prompt(trial.map(\.0)), found.elementsEqual(expected.utf8) else { return false }
    }
    return true
  }

  /// `text` with its only `mark` replaced by `{text}`.
  private static func template(_ text: some StringProtocol, _ mark: String) throws(JinjaError) -> String {
    let text = String(text)
    guard text.ranges(of: mark).count == 1 else { throw JinjaError("a text more than once") }
    return text.replacing(mark, with: "{text}")
  }

  private static func rest(_ text: String, after start: String) throws(JinjaError) -> String {
    guard text.hasPrefix(start) else { throw JinjaError("turns that change those before them") }
    return String(text.dropFirst(start.count))
  }
}
