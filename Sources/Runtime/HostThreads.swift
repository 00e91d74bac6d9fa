// SPDX-License-Identifier: Apache-2.0

/// Threads that a host brings.
package struct HostThreads: Sendable {
  package typealias Body = @convention(c) (UnsafeMutableRawPointer?, Int) -> Void

  let run: @Sendable (_ count: Int, _ job: Body, _ context: UnsafeMutableRawPointer?) -> Void

  /// - Parameter run: calls `job` with `context` and each of `0..<count`, on any threads, and returns when all calls have returned. Calls left
  ///   out cost only time.
  package init(_ run: @escaping @Sendable (_ count: Int, _ job: Body, _ context: UnsafeMutableRawPointer?) -> Void) { self.run = run }
}
