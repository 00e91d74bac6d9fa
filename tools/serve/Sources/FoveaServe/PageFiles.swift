// SPDX-License-Identifier: Apache-2.0
import Foundation
import HTTPTypes
import Hummingbird
import Page

/// The web page's files: embedded in the program, or from a folder during development.
struct PageFiles: Sendable {
  private static let types = [
    "html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml",
  ]
  /// The paths served.
  static let names: Set<String> = Set(pageFiles.map { "/\($0.name)" } + ["/"])

  /// No external or inline resources: a model's output cannot become code.
  private static let policy = [
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' blob: data:", "connect-src 'self'", "form-action 'none'",
    "base-uri 'none'", "frame-ancestors 'none'",
  ].joined(separator: "; ")

  /// nil: the embedded files.
  let folder: String?

  func response(_ path: String) throws(APIError) -> Response {
    let name = path == "/" ? "index.html" : String(path.dropFirst())
    var bytes = pageFiles.first { $0.name == name }?.bytes
    if let folder { bytes = FileManager.default.contents(atPath: "\(folder)/\(name)").map { Array($0) } }
    guard let bytes else { throw APIError(.notFound, "not_found", "There is nothing at this address.") }
    var headers: HTTPFields = [.contentType: Self.types[String(name.split(separator: ".").last ?? "")] ?? "application/octet-stream"]
    headers[.contentSecurityPolicy] = Self.policy
    headers[.cacheControl] = "no-cache"
    if let name = HTTPField.Name("referrer-policy") { headers[name] = "no-referrer" }
    return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
  }
}
