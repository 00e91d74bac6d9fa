// SPDX-License-Identifier: Apache-2.0
import Hummingbird

/// Access control. Without keys, everybody who can reach the address has access, except web pages of another origin.
struct Access: Sendable {
  let keys: [String]
  /// Bound to loopback: only local names are accepted in `Host`, against DNS rebinding.
  let isLoopback: Bool

  /// The client's name for the queue, if its key has one.
  /// - Throws: 401 or 403.
  func check(_ request: Request) throws(APIError) -> String? {
    try checkOrigin(request)
    guard !keys.isEmpty else { return nil }
    let header = request.headers[.authorization] ?? ""
    guard header.lowercased().hasPrefix("bearer ") else {
      throw APIError(.unauthorized, "missing_api_key", "An API key is needed: Authorization: Bearer KEY.")
    }
    let given = Array(header.dropFirst("bearer ".count).utf8)
    var found: Int?
    for (i, key) in keys.enumerated() where Self.isEqual(given, Array(key.utf8)) { found = i }
    guard let found else { throw APIError(.unauthorized, "invalid_api_key", "The API key is not one of the server's.") }
    return "key \(found)"
  }

  func checkOrigin(_ request: Request) throws(APIError) {
    let host = request.head.authority ?? ""
    if isLoopback, keys.isEmpty, !["localhost", "127.0.0.1", "[::1]"].contains(Self.name(host)) {
      throw APIError(.forbidden, "unknown_host", "The server answers on this machine only, as localhost.")
    }
    if let origin = request.headers[.origin], !origin.hasSuffix("://\(host)") {
      throw APIError(.forbidden, "foreign_origin", "Pages of other origins may not ask.")
    }
  }

  private static func name(_ host: String) -> String {
    guard let colon = host.lastIndex(of: ":"), !host.hasSuffix("]") else { return host.lowercased() }
    return host[..<colon].lowercased()
  }

  /// Constant-time comparison.
  private static func isEqual(_ given: [UInt8], _ key: [UInt8]) -> Bool {
    var difference = given.count ^ key.count
    for (i, byte) in key.enumerated() { difference |= Int(byte ^ (i < given.count ? given[i] : 0)) }
    return difference == 0
  }
}
