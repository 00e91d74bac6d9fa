// SPDX-License-Identifier: Apache-2.0
import Hummingbird
import NIOCore
import Synchronization

/// Memory for all request bodies together.
final class BodyMemory: Sendable {
  private let capacity: Int
  private let taken = Mutex(0)

  init(capacity: Int) { self.capacity = capacity }

  var bytes: Int { taken.withLock { $0 } }

  fileprivate func take(_ bytes: Int) -> Bool {
    taken.withLock { taken in
      guard taken + bytes <= capacity else { return false }
      taken += bytes
      return true
    }
  }

  fileprivate func giveBack(_ bytes: Int) { taken.withLock { $0 -= bytes } }
}

/// A request's share of it, returned when the request ends.
final class BodyShare: Sendable {
  /// The body as received, twice while its buffer grows, the texts in it and the pictures in those.
  private static let copies = 4

  private let memory: BodyMemory
  private let taken = Mutex(0)

  init(_ memory: BodyMemory) { self.memory = memory }
  deinit { memory.giveBack(taken.withLock { $0 }) }

  /// - Parameter bytes: of the body.
  func take(_ bytes: Int) throws(APIError) {
    guard memory.take(bytes * Self.copies) else { throw .outOfMemory }
    taken.withLock { $0 += bytes * Self.copies }
  }
}

extension Request {
  /// The whole body, within the limits of size, memory and time.
  func wholeBody(limits: Limits, share: BodyShare) async throws -> ByteBuffer {
    let tooLarge = APIError(.contentTooLarge, "body_too_large", "The body is larger than the limit of \(limits.body) bytes.")
    if let length = headers[.contentLength].flatMap({ Int($0) }), length > limits.body { throw tooLarge }
    let body = body
    return try await withThrowingTaskGroup(of: ByteBuffer.self) { group in
      group.addTask {
        var whole = ByteBuffer()
        do {
          for try await piece in body {
            guard whole.readableBytes + piece.readableBytes <= limits.body else { throw tooLarge }
            try share.take(piece.readableBytes)
            whole.writeImmutableBuffer(piece)
          }
        } catch let error as APIError {
          throw error
        } catch {
          throw APIError(.badRequest, "incomplete_body", "The body did not arrive whole.")
        }
        return whole
      }
      group.addTask {
        try await Task.sleep(for: .seconds(limits.bodyTime))
        throw APIError(.requestTimeout, "body_timeout", "The body took longer than the limit of \(limits.bodyTime) seconds.")
      }
      defer { group.cancelAll() }
      guard let whole = try await group.next() else { throw APIError.gone }
      return whole
    }
  }
}
