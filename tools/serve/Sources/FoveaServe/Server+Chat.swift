// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import Hummingbird

extension Server {
  /// /v1/chat/completions.
  func chat(_ request: Request, _ context: ServeContext) async throws -> Response {
    let arrival = ContinuousClock.now
    let deadline = arrival + .seconds(limits.time)
    let share = BodyShare(bodies)
    let body = try await request.wholeBody(limits: limits, share: share)
    let asked = try ChatRequest.read(body, contentType: request.headers[.contentType] ?? "", limits: limits)
    let watch = await context.watch()
    let lease = try await lease(asked.model)
    let model = lease.workers.name
    // With log-probabilities, known only at the end, the text is sent at the end too.
    let isStreamed = asked.stream && asked.settings.topLogprobs == nil
    let asking = try Asking(
      asked.messages, pictures: asked.pictures, settings: asked.settings, isStreamed: isStreamed, client: context.client, lease: lease,
      share: share, deadline: deadline, limits: limits)
    watch?.whenGone { [weak asking] in asking?.stop(.gone) }
    let head = ChatHead(model: model)
    guard asked.stream else {
      defer { watch?.whenGone(nil) }
      let set = try await asking.answer.value()
      metrics.count(set, model: model)
      metrics.time("fovea_request_seconds", seconds: (.now - arrival) / .seconds(1))
      return Response(json: head.completion(set))
    }
    // A failure before the first text still gets its own status.
    let first = await asking.answer.next()
    if case .failed(let error) = first {
      watch?.whenGone(nil)
      throw error
    }
    metrics.time("fovea_first_text_seconds", seconds: (.now - arrival) / .seconds(1))
    var headers: HTTPFields = [.contentType: "text/event-stream", .cacheControl: "no-cache"]
    if let name = HTTPField.Name("x-accel-buffering") { headers[name] = "no" }
    let body1 = ResponseBody { [metrics] writer in
      defer { watch?.whenGone(nil) }
      var stream = ChatStream(head: head, answers: asked.settings.answers, includesUsage: asked.includeUsage)
      // A client that does not read keeps only its own connection, and only for a limited time.
      let clock = Task { [channel = context.channel] in
        guard (try? await Task.sleep(until: deadline + .seconds(30), clock: .continuous)) != nil else { return }
        channel.close(promise: nil)
      }
      defer { clock.cancel() }
      try await writer.write(ByteBuffer(string: stream.beginning))
      var event = first
      while true {
        switch event {
        case .text(let text): try await writer.write(ByteBuffer(string: stream.text(text)))
        case .finished(let set):
          metrics.count(set, model: model)
          metrics.time("fovea_request_seconds", seconds: (.now - arrival) / .seconds(1))
          try await writer.write(ByteBuffer(string: stream.end(set)))
          return try await writer.finish(nil)
        case .failed(let error):
          metrics.count("fovea_broken_streams_total{code=\"\(error.code)\"}")
          try await writer.write(ByteBuffer(string: ChatStream.event(error.json)))
          return try await writer.finish(nil)
        }
        event = await asking.answer.next()
      }
    }
    return Response(status: .ok, headers: headers, body: body1)
  }

  func lease(_ model: String?) async throws -> ModelLease { try await models.lease(model) }
}

extension ChatRequest {
  /// - Parameter contentType: JSON, or a form: its part `request` holds the JSON, or its fields are the members, with `prompt` as the question.
  static func read(_ body: ByteBuffer, contentType: String, limits: Limits) throws(APIError) -> ChatRequest {
    let (json, files) = try RequestForm.read(body, contentType: contentType)
    var attachments = Attachments()
    for file in files { attachments.add(file.name, file.bytes) }
    return try ChatRequest(json, attachments: &attachments, limits: limits)
  }
}
