// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import Hummingbird
import NIOCore
import Synchronization

/// Answers HTTP requests: access, routing and metrics.
final class Server: HTTPResponder {
  let models: ModelCache
  let limits: Limits
  let bodies: BodyMemory
  let metrics = Metrics()
  private let access: Access
  private let page: PageFiles
  private let isStopping = Atomic(false)

  init(models: ModelCache, limits: Limits, bodies: BodyMemory, access: Access, page: PageFiles) {
    (self.models, self.limits, self.bodies, self.access, self.page) = (models, limits, bodies, access, page)
  }

  /// New requests are refused from now on.
  func stop() { isStopping.store(true, ordering: .relaxed) }

  func respond(to request: Request, context: ServeContext) async throws -> Response {
    let route = Route(request.uri.path)
    var response: Response
    do {
      response = try await answer(route, request, context)
    } catch let error as APIError {
      response = error.response
      let sendsMore = request.headers[.transferEncoding] != nil || request.headers[.contentLength].map { $0 != "0" } ?? false
      if sendsMore {
        // The rest of the body is not read.
        response.headers[.connection] = "close"
        context.channel.eventLoop.scheduleTask(in: .seconds(1)) { [channel = context.channel] in channel.close(promise: nil) }
      }
    } catch is CancellationError {
      response = APIError.gone.response
    } catch {
      response = APIError(.internalServerError, "internal_error", "The server failed.").response
    }
    metrics.count("fovea_requests_total{route=\"\(route.name)\",status=\"\(response.status.code)\"}")
    if isStopping.load(ordering: .relaxed) { response.headers[.connection] = "close" }
    response.headers[.xContentTypeOptions] = "nosniff"
    return response
  }

  private func answer(_ route: Route, _ request: Request, _ context: ServeContext) async throws -> Response {
    guard route != .none else { throw APIError(.notFound, "not_found", "There is nothing at this address.") }
    guard request.method == route.method || (request.method == .head && route.method == .get) else {
      throw APIError(.methodNotAllowed, "method_not_allowed", "Only \(route.method.rawValue) is answered here.")
    }
    var context = context
    switch route {
    case .health: return health
    case .page(let path):
      try access.checkOrigin(request)
      return try page.response(path)
    default: if let client = try access.check(request) { context.client = client }
    }
    switch route {
    case .models: return modelList
    case .metrics:
      return Response(
        status: .ok, headers: [.contentType: "text/plain; version=0.0.4"],
        body: ResponseBody(byteBuffer: ByteBuffer(string: metrics.text(models: models, bodies: bodies.bytes))))
    default: if isStopping.load(ordering: .relaxed) { throw APIError.stopping }
    }
    switch route {
    case .chat: return try await chat(request, context)
    case .ocr: return try await ocr(request, context)
    default: return try await render(request, context)
    }
  }

  private var health: Response {
    let isStopping = isStopping.load(ordering: .relaxed)
    return Response(json: ["status": isStopping ? "stopping" : "ok"], status: isStopping ? .serviceUnavailable : .ok)
  }

  private var modelList: Response {
    let data: [JSON] = models.all.map { entry in
      let facts = entry.facts
      return [
        "id": .string(entry.name), "object": "model", "created": 0, "owned_by": "fovea",
        "fovea": [
          "system": .string(facts.system), "name": .string(facts.name), "weight_type": .string(facts.weightType),
          "context_length": JSON(facts.contextLength), "image_tokens": JSON(facts.imageTokens), "regions": .bool(facts.takesRegions),
          "places": .bool(facts.namesPlaces), "tasks": .array(facts.tasks.map { .string($0) }), "loaded": .bool(entry.workers != nil),
        ],
      ]
    }
    return Response(json: ["object": "list", "data": .array(data)])
  }
}

/// The request's endpoint.
enum Route: Equatable {
  case chat, ocr, render, models, health, metrics, none
  case page(String)

  init(_ path: String) {
    switch path {
    case "/v1/chat/completions": self = .chat
    case "/v1/ocr": self = .ocr
    case "/v1/render": self = .render
    case "/v1/models": self = .models
    case "/health": self = .health
    case "/metrics": self = .metrics
    case let path where PageFiles.names.contains(path): self = .page(path)
    default: self = .none
    }
  }

  var method: HTTPRequest.Method {
    switch self {
    case .chat, .ocr, .render: .post
    default: .get
    }
  }

  /// The name in metrics.
  var name: String {
    switch self {
    case .chat: "chat"
    case .ocr: "ocr"
    case .render: "render"
    case .models: "models"
    case .health: "health"
    case .metrics: "metrics"
    case .page: "page"
    case .none: "none"
    }
  }
}
