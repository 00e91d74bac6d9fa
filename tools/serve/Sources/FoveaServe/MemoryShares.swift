// SPDX-License-Identifier: Apache-2.0
import Foundation

/// How memory is divided among the program, request bodies and models.
struct MemoryShares {
  /// The program, its HTTP library and connections, measured with 64 clients.
  static let program = 96 << 20
  let bodies, models: Int

  /// - Parameter memory: MiB, like `bodies`.
  init(memory: Int?, bodies: Int?) throws(StartFailure) {
    let total = memory.map { $0 << 20 } ?? Self.available / 4 * 3
    self.bodies = bodies.map { $0 << 20 } ?? min(total / 8, 256 << 20)
    models = total - Self.program - self.bodies
    guard total > 0, self.bodies >= 1 << 20, models >= 1 << 20 else {
      throw StartFailure("--memory \(total >> 20) MiB is too little: the program takes \(Self.program >> 20), bodies \(self.bodies >> 20)")
    }
  }

  /// Of the machine, or of the control group if less.
  private static var available: Int {
    let pages = sysconf(Int32(_SC_PHYS_PAGES)), size = sysconf(Int32(_SC_PAGESIZE))
    let machine = max(pages, 0) * max(size, 0)
    let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"].compactMap { path in
      (try? String(contentsOfFile: path, encoding: .utf8)).flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
    }
    return limits.filter { $0 > 0 }.reduce(machine) { min($0, $1) }
  }
}
