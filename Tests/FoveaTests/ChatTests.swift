// SPDX-License-Identifier: Apache-2.0
import CFovea
import Foundation
import Fovea
import Testing

/// Conversations through the C interface. The tiny model writes `S. USER: <image>\nQ ASSISTANT: A</s>USER: …`.
struct ChatTests {
  struct Said {
    var role: Int
    var text: String?
    var images: [OpaquePointer?] = []

    init(_ role: Int, _ text: String?, _ images: [OpaquePointer?] = []) { (self.role, self.text, self.images) = (role, text, images) }
  }

  struct Answer {
    var status = fovea_status(FOVEA_OK)
    var text = ""
    var figures = fovea_generate_result()
  }

  func chat(
    _ session: OpaquePointer?, _ said: [Said], tokens: Int32 = 4, _ change: (inout fovea_generate_options) -> Void = { _ in },
    message: (inout fovea_message) -> Void = { _ in }
  ) -> Answer {
    var options = generateOptions(tokens: tokens)
    change(&options)
    var answer = Answer()
    answer.figures.struct_size = MemoryLayout<fovea_generate_result>.size
    var texts: [UnsafeMutablePointer<CChar>?] = [], images: [UnsafeMutablePointer<OpaquePointer?>] = []
    var messages: [fovea_message] = []
    for s in said {
      var c = fovea_message()
      c.struct_size = MemoryLayout<fovea_message>.size
      c.role = Int32(s.role)
      texts.append(s.text.map { strdup($0) } ?? nil)
      c.text = UnsafePointer(texts.last ?? nil)
      let held = UnsafeMutablePointer<OpaquePointer?>.allocate(capacity: max(s.images.count, 1))
      for (i, image) in s.images.enumerated() { held[i] = image }
      images.append(held)
      c.images = UnsafePointer(held)
      c.image_count = s.images.count
      message(&c)
      messages.append(c)
    }
    defer {
      for text in texts { free(text) }
      for held in images { held.deallocate() }
    }
    var text: UnsafeMutablePointer<CChar>?
    answer.status = fovea_chat(session, messages, messages.count, &options, &answer.figures, &text)
    if let text { answer.text = String(cString: text) }
    fovea_string_free(text)
    return answer
  }

  /// A region of free form takes a byte of each pixel of its image; those of all messages count together.
  @Test func regionsOfAllMessagesFitTheBudgetTogether() throws {
    let model = try Loaded(coordinates: "ferret", hasTurns: true, budget: 64 << 20)
    let (image, session) = (try model.image(width: 1000, height: 1000), try model.session())
    defer {
      fovea_session_free(session)
      fovea_image_embedding_release(image)
    }
    let corners: [Double] = [0, 0, 9, 0, 9, 9]
    corners.withUnsafeBufferPointer { corners in
      var triangle = fovea_region()
      triangle.struct_size = MemoryLayout<fovea_region>.size
      triangle.kind = Int32(FOVEA_REGION_POLYGON)
      (triangle.vertices, triangle.vertex_count) = (corners.baseAddress, 3)
      withUnsafePointer(to: triangle) { triangle in
        let said = (0..<70).flatMap { [Said(FOVEA_ROLE_USER, "<region>", $0 == 0 ? [image] : []), Said(FOVEA_ROLE_ASSISTANT, "A")] }
        let found = chat(session, Array(said.dropLast())) { _ in
        } message: {
          if $0.role == Int32(FOVEA_ROLE_USER) { ($0.regions, $0.region_count) = (triangle, 1) }
        }
        #expect(found.status == FOVEA_ERROR_MEMORY && lastError(session).contains("regions"), "\(lastError(session))")
      }
    }
  }

  private func raw(_ session: OpaquePointer, _ prompt: String, _ images: [OpaquePointer?]) -> String {
    var options = generateOptions(tokens: 4)
    options.raw = 1
    var text: UnsafeMutablePointer<CChar>?
    #expect(fovea_generate(session, prompt, images, images.count, &options, nil, &text) == FOVEA_OK, "\(lastError())")
    defer { fovea_string_free(text) }
    return text.map { String(cString: $0) } ?? ""
  }

  @Test func turnsAreWrittenAsTheTemplateHasThem() throws {
    let model = try Loaded(hasTurns: true)
    let image = try model.image()
    let (session, other) = (try model.session(), try model.session())
    defer {
      for s in [session, other] { fovea_session_free(s) }
      fovea_image_embedding_release(image)
    }
    let first = [Said(FOVEA_ROLE_USER, "a", [image])]
    let one = chat(session, first)
    #expect(one.status == FOVEA_OK, "\(lastError())")
    #expect(one.text == raw(other, "S. USER: <image>\na ASSISTANT:", [image]))
    let later = first + [Said(FOVEA_ROLE_ASSISTANT, " bc "), Said(FOVEA_ROLE_USER, "d <image>", [image])]
    let two = chat(session, later)
    #expect(two.text == raw(other, "S. USER: <image>\na ASSISTANT: bc</s>USER: d <image> ASSISTANT:", [image, image]))
    #expect(two.figures.reused_tokens >= one.figures.prompt_tokens)
    let system = chat(session, [Said(FOVEA_ROLE_SYSTEM, "T. ")] + first)
    #expect(system.text == raw(other, "T. USER: <image>\na ASSISTANT:", [image]))
  }

  /// One encode, one image prefill.
  @Test func fiveQuestionsReadTheImageOnce() throws {
    let model = try Loaded(hasTurns: true)
    let image = try model.image()
    let session = try model.session()
    defer {
      fovea_session_free(session)
      fovea_image_embedding_release(image)
    }
    var read = 0
    for question in ["a", "b", "c", "dd", "ab"] {
      let answer = chat(session, [Said(FOVEA_ROLE_USER, question, [image])])
      #expect(answer.status == FOVEA_OK)
      read += Int(answer.figures.prompt_tokens - answer.figures.reused_tokens)
    }
    // `S. USER: `, four rows of the image and a line break once, `a ASSISTANT:` each time.
    let whole = chat(session, [Said(FOVEA_ROLE_USER, "a", [image])]).figures.prompt_tokens
    let own = Int32("a ASSISTANT:".utf8.count)
    #expect(read <= Int(whole + 4 * (own + 2)), "\(read) of \(whole)")
    // The same picture, encoded anew, is the same to the session.
    let again = try model.image()
    defer { fovea_image_embedding_release(again) }
    #expect(chat(session, [Said(FOVEA_ROLE_USER, "a", [again])]).figures.reused_tokens == whole - 1)
  }

  @Test func theOldestQuestionsGoWhereThereIsNoRoom() throws {
    let model = try Loaded(hasTurns: true)
    let image = try model.image()
    let session = try model.session()
    defer {
      fovea_session_free(session)
      fovea_image_embedding_release(image)
    }
    var said = [Said(FOVEA_ROLE_SYSTEM, "T."), Said(FOVEA_ROLE_USER, "a", [image])]
    for _ in 0..<6 { said += [Said(FOVEA_ROLE_ASSISTANT, "b"), Said(FOVEA_ROLE_USER, "c")] }
    #expect(chat(session, said).status == FOVEA_ERROR_CONTEXT)
    let found = chat(session, said) { $0.overflow = Int32(FOVEA_OVERFLOW_DROP_OLDEST) }
    #expect(found.status == FOVEA_OK, "\(lastError())")
    let dropped = Int(found.figures.dropped_messages)
    #expect(dropped > 0 && dropped < 12 && dropped % 2 == 0)
    #expect(Int(found.figures.prompt_tokens) <= TinyModel.context - 4)
    // The same without those messages, the image with the first question that is left.
    var kept = [said[0]] + said[(1 + dropped)...]
    kept[1].images = [image]
    let short = chat(session, kept)
    #expect(short.text == found.text && short.figures.prompt_tokens == found.figures.prompt_tokens && short.figures.dropped_messages == 0)
    // One pair fewer would not have left the room.
    var longer = [said[0]] + said[(dropped - 1)...]
    longer[1].images = [image]
    #expect(chat(session, longer) { $0.max_tokens = 1 }.figures.prompt_tokens > TinyModel.context - 4 || lastError().contains("context"))
    let question = [Said(FOVEA_ROLE_USER, String(repeating: "a", count: 200))]
    #expect(chat(session, question) { $0.overflow = Int32(FOVEA_OVERFLOW_DROP_OLDEST) }.status == FOVEA_ERROR_CONTEXT)
  }

  @Test func whatIsNoConversationIsNamed() throws {
    let model = try Loaded(hasTurns: true)
    let single = try Loaded()
    let image = try model.image()
    let session = try model.session(), singleSession = try single.session()
    defer {
      fovea_session_free(session)
      fovea_session_free(singleSession)
      fovea_image_embedding_release(image)
    }
    let user = Said(FOVEA_ROLE_USER, "a"), assistant = Said(FOVEA_ROLE_ASSISTANT, "b"), system = Said(FOVEA_ROLE_SYSTEM, "c")
    let wrong: [(String, [Said])] = [
      ("messages", []), ("messages", [system]), ("messages[0].role", [assistant]), ("messages[1].role", [user, user]),
      ("messages[1].role", [user, system]), ("last", [user, assistant]), ("messages[0].role", [Said(3, "a")]),
      ("messages[0].text", [Said(FOVEA_ROLE_USER, nil)]),
      ("messages[1]", [user, Said(FOVEA_ROLE_ASSISTANT, "<image>"), user]), ("messages[0]", [Said(FOVEA_ROLE_USER, "<image>")]),
      ("messages[0]", [Said(FOVEA_ROLE_USER, "<image><image>", [image])]), ("messages[0].images[0]", [Said(FOVEA_ROLE_USER, "a", [nil])]),
    ]
    for (name, said) in wrong {
      #expect(chat(session, said).status == FOVEA_ERROR_ARGUMENT, "\(name)")
      #expect(lastError().contains(name), "\(name): \(lastError())")
    }
    #expect(chat(session, [user]) { $0.raw = 1 }.status == FOVEA_ERROR_ARGUMENT && lastError().contains("raw"))
    #expect(chat(session, [user], message: { $0.struct_size = 8 }).status == FOVEA_ERROR_ARGUMENT && lastError().contains("messages[0]"))
    #expect(chat(session, [user], message: { $0.reserved = 1 }).status == FOVEA_ERROR_ARGUMENT && lastError().contains("reserved"))
    #expect(chat(nil, [user]).status == FOVEA_ERROR_ARGUMENT)
    #expect(fovea_chat(session, nil, 1, nil, nil, nil) == FOVEA_ERROR_ARGUMENT)
    #expect(chat(singleSession, [user]).status == FOVEA_OK)
    #expect(chat(singleSession, [user, assistant, user]).status == FOVEA_ERROR_UNSUPPORTED && lastError().contains("single questions"))
    #expect(chat(singleSession, [system, user]).status == FOVEA_ERROR_UNSUPPORTED)
  }
}
