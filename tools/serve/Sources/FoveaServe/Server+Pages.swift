// SPDX-License-Identifier: Apache-2.0
import CFovea
import DocTags
import Foundation
import HTTPTypes
import Hummingbird

extension Server {
  /// The request of /v1/ocr and /v1/render: a file, and which of its pages.
  private struct PagesRequest: Sendable {
    let model: String?
    let bytes: [UInt8]
    let settings: GenerationSettings
    let prompt: String?
    /// From 1 on; empty: all.
    let pages: [Int]
    let dotsPerInch: Int

    init(_ body: ByteBuffer, contentType: String, limits: Limits) throws(APIError) {
      let (json, files) = try RequestForm.read(body, contentType: contentType)
      guard json.members != nil else { throw .invalid("The body must be a JSON object.", code: "invalid_type") }
      let fields = Fields(json: json)
      model = try fields.text("model")
      prompt = try fields.text("prompt")
      dotsPerInch = try fields.whole("dpi", 20...600) ?? 144
      settings = try GenerationSettings(fields, limits: limits)
      let list = try fields.list("pages") ?? []
      let numbers = try fields.whole("page", 1...100_000).map { [JSON($0)] } ?? list
      pages = numbers.compactMap(\.int)
      guard pages.count == numbers.count, pages.allSatisfy({ (1...100_000).contains($0) }) else {
        throw .invalid("pages must be numbers from 1 on.", "pages")
      }
      if let file = files.first {
        bytes = file.bytes
      } else {
        var none = Attachments()
        let file = try fields.text("file")
        guard let address = file ?? fields.json["image"]?.string else { throw .invalid("file is missing: a part of a form, or a data URL.", "file") }
        bytes = try none.bytes(of: address, "file")
      }
    }
  }

  /// Runs blocking work on a separate queue, one file at a time.
  private func blocking<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in Self.files.async { continuation.resume(with: Result { try body() }) } }
  }

  private static let files = DispatchQueue(label: "fovea.files")

  private func file(of asked: PagesRequest) async throws -> (pdf: PDFFile?, pages: [Int]) {
    guard PictureFile.isPDF(asked.bytes) else {
      guard asked.pages.allSatisfy({ $0 == 1 }) else { throw APIError.invalid("A picture has one page.", "pages") }
      return (nil, [1])
    }
    let limits = limits
    let pdf = try await blocking { try PDFFile(asked.bytes, seconds: 20) }
    let pages = asked.pages.isEmpty ? Array(1...pdf.pages) : asked.pages
    guard pages.allSatisfy({ $0 <= pdf.pages }) else { throw APIError.invalid("The file has \(pdf.pages) pages.", "pages") }
    guard pages.count <= limits.pages else {
      throw APIError.invalid("\(pages.count) pages are more than the limit of \(limits.pages); name some by pages.", "pages", code: "too_many_pages")
    }
    return (pdf, pages)
  }

  private func picture(_ page: Int, _ pdf: PDFFile?, _ asked: PagesRequest) async throws -> PictureSource {
    let limits = limits
    guard let pdf else { return try PictureSource(asked.bytes, limits: limits, name: "file") }
    return try await blocking {
      try PictureSource(pdf.page(page, dotsPerInch: asked.dotsPerInch, limits: limits), limits: limits, name: "page \(page)")
    }
  }

  /// /v1/render: a page of a PDF file as PNG.
  func render(_ request: Request, _ context: ServeContext) async throws -> Response {
    let share = BodyShare(bodies)
    let body = try await request.wholeBody(limits: limits, share: share)
    let asked = try PagesRequest(body, contentType: request.headers[.contentType] ?? "", limits: limits)
    guard PictureFile.isPDF(asked.bytes) else { throw APIError.invalid("file is no PDF file.", "file", code: "invalid_pdf") }
    let limits = limits
    let page = asked.pages.first ?? 1
    let (bytes, count) = try await blocking {
      let pdf = try PDFFile(asked.bytes, seconds: 20)
      guard page <= pdf.pages else { throw APIError.invalid("The file has \(pdf.pages) pages.", "pages") }
      return (try pdf.page(page, dotsPerInch: asked.dotsPerInch, limits: limits), pdf.pages)
    }
    var headers: HTTPFields = [.contentType: "image/png"]
    if let name = HTTPField.Name("x-page-count") { headers[name] = "\(count)" }
    return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
  }

  /// /v1/ocr: a picture or a PDF file in; its pages' text, Markdown and places out.
  func ocr(_ request: Request, _ context: ServeContext) async throws -> Response {
    let arrival = ContinuousClock.now
    let deadline = arrival + .seconds(limits.time)
    let share = BodyShare(bodies)
    let body = try await request.wholeBody(limits: limits, share: share)
    let asked = try PagesRequest(body, contentType: request.headers[.contentType] ?? "", limits: limits)
    let watch = await context.watch()
    defer { watch?.whenGone(nil) }
    let (pdf, numbers) = try await file(of: asked)
    let lease = try await models.lease(asked.model)
    var settings = asked.settings
    if settings.task == nil, asked.prompt == nil {
      settings.task = ["markdown", "format", "ocr", "read"].first { lease.facts.tasks.contains($0) }
    }
    let usual = settings.task == nil ? "Read the text in the picture." : ""
    let question = ChatMessage(role: FOVEA_ROLE_USER, text: asked.prompt ?? usual, pictures: [0])
    var pages: [JSON] = []
    var total = AnswerSet()
    for number in numbers {
      let picture = try await picture(number, pdf, asked)
      let asking = try Asking(
        [question], pictures: [picture], settings: settings, isStreamed: false, client: context.client, lease: lease, share: share,
        deadline: deadline, limits: limits)
      watch?.whenGone { [weak asking] in asking?.stop(.gone) }
      let set = try await asking.answer.value()
      metrics.count(set, model: lease.workers.name)
      let text = set.answers.first?.text ?? ""
      pages.append([
        "page": JSON(number), "width": JSON(picture.width), "height": JSON(picture.height), "text": .string(text),
        "markdown": .string(DocTags.isMarked(text) ? DocTags(text).markdown : text), "places": .array(set.places.map(\.json)),
        "finish_reason": set.answers.first?.finishReason ?? .null,
      ])
      total.promptTokens += set.promptTokens
      total.answers += set.answers
    }
    metrics.time("fovea_request_seconds", seconds: (.now - arrival) / .seconds(1))
    return Response(json: ["object": "ocr", "model": .string(lease.workers.name), "pages": .array(pages), "usage": total.usage])
  }
}
