// SPDX-License-Identifier: Apache-2.0
import CFovea
import HTTPTypes
import Hummingbird

/// An error response: a status and OpenAI's error object.
struct APIError: Error, Sendable {
  let status: HTTPResponse.Status
  let message: String
  /// The code for programs: "model_not_found", "queue_full", …
  let code: String
  var parameter: String?
  /// Seconds after which to retry.
  var retryAfter: Int?

  init(_ status: HTTPResponse.Status, _ code: String, _ message: String, parameter: String? = nil, retryAfter: Int? = nil) {
    (self.status, self.code, self.message, self.parameter, self.retryAfter) = (status, code, message, parameter, retryAfter)
  }

  static func invalid(_ message: String, _ parameter: String? = nil, code: String = "invalid_value") -> APIError {
    APIError(.badRequest, code, message, parameter: parameter)
  }
  static let gone = APIError(HTTPResponse.Status(code: 499), "client_closed_request", "The client went away.")
  static let stopping = APIError(.serviceUnavailable, "server_stopping", "The server is stopping.", retryAfter: 10)
  static let outOfMemory = APIError(
    .serviceUnavailable, "insufficient_memory", "The server has no memory left for this request now.", retryAfter: 5)
  static func late(_ limit: Int) -> APIError {
    APIError(.gatewayTimeout, "time_limit", "The request took longer than the server's limit of \(limit) seconds.")
  }

  private var type: String {
    switch status.code {
    case 401: "authentication_error"
    case 403: "permission_error"
    case 429: "rate_limit_error"
    case 400..<500: "invalid_request_error"
    default: "server_error"
    }
  }

  var json: JSON {
    ["error": ["message": .string(message), "type": .string(type), "param": parameter.map { .string($0) } ?? .null, "code": .string(code)]]
  }

  var response: Response {
    var response = Response(json: json, status: status)
    if let retryAfter { response.headers[.retryAfter] = "\(retryAfter)" }
    // OpenAI's clients would retry three times what takes too long each time.
    if status == .gatewayTimeout, let name = HTTPField.Name("x-should-retry") { response.headers[name] = "false" }
    if status == .unauthorized { response.headers[.wwwAuthenticate] = "Bearer" }
    return response
  }
}

extension APIError {
  /// The response to a failure of the library.
  init(_ failure: LibraryFailure, timeLimit: Int) {
    switch Int(failure.status) {
    case Int(FOVEA_ERROR_ARGUMENT): self = .invalid(failure.message)
    case Int(FOVEA_ERROR_UNSUPPORTED): self = .invalid(failure.message, code: "unsupported")
    case Int(FOVEA_ERROR_CONTEXT): self = .invalid(failure.message, "messages", code: "context_length_exceeded")
    case Int(FOVEA_ERROR_IMAGE): self = .invalid(failure.message, "messages", code: "invalid_image")
    case Int(FOVEA_ERROR_MEMORY):
      self = APIError(.serviceUnavailable, "insufficient_memory", failure.message, retryAfter: 5)
    case Int(FOVEA_ERROR_DEADLINE): self = .late(timeLimit)
    case Int(FOVEA_ERROR_CANCELLED): self = .gone
    default: self = APIError(.internalServerError, "internal_error", "The library failed with \(failure.name).")
    }
  }
}

extension Response {
  init(json: JSON, status: HTTPResponse.Status = .ok) {
    var bytes: [UInt8] = []
    json.write(to: &bytes)
    bytes.append(0x0A)
    self.init(status: status, headers: [.contentType: "application/json"], body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
  }
}
