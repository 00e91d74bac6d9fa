// SPDX-License-Identifier: Apache-2.0
import Shims

/// How much CPU this process may use, from its affinity mask, the CPU quotas of its control groups (v1 and v2), and which CPUs share a core (SMT).
package struct CPUBudget {
  /// CPUs that can run at the same time: affinity, and quota rounded up.
  package let processors: Int
  /// Threads worth starting: one for each core, at most the quota rounded to the nearest. More would only wait for each other.
  package let threads: Int

  package static func current() -> CPUBudget { CPUBudget(root: "", affinity: affinity()) }

  /// - Parameters:
  ///   - root: put before /proc and /sys (tests read a made-up tree).
  ///   - affinity: numbers of the CPUs that the process may run on.
  package init(root: String, affinity: [Int]) {
    let files = SystemFiles(root: root)
    let quota = files.least(controller: "cpu") { folder, isUnified in CPUBudget.quota(files, folder, isUnified) }
      .map { (nearest: ($0 + 0.5).rounded(.down), up: $0.rounded(.up)) }
    let cores = files.cores(of: affinity)
    let allowed = max(affinity.count, 1)
    processors = max(1, min(allowed, quota.map { CPUBudget.whole($0.up, allowed) } ?? allowed))
    threads = max(1, min(cores, quota.map { CPUBudget.whole($0.nearest, allowed) } ?? cores))
  }

  /// CPUs that the control group of `folder` may use; nil: no limit.
  private static func quota(_ files: SystemFiles, _ folder: SystemFiles.Bytes, _ isUnified: Bool) -> Double? {
    if isUnified {
      guard let text = files.read(folder, "/cpu.max") else { return nil }
      let words = text.split(whereSeparator: { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\n") })
      guard words.count == 2 else { return nil }
      return ratio(SystemFiles.number(words[0]), SystemFiles.number(words[1]))  // "max" is no number
    }
    guard let quota = files.read(folder, "/cpu.cfs_quota_us"), let period = files.read(folder, "/cpu.cfs_period_us") else { return nil }
    return ratio(SystemFiles.number(quota[...]), SystemFiles.number(period[...]))  // −1 is no number
  }

  private static func ratio(_ quota: Int?, _ period: Int?) -> Double? {
    guard let quota, let period, quota > 0, period > 0 else { return nil }
    return Double(quota) / Double(period)
  }

  private static func whole(_ value: Double, _ most: Int) -> Int { value >= Double(most) ? most : Int(value) }

  /// CPUs of the affinity mask; one when it cannot be read.
  package static func affinity() -> [Int] {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 1024) { mask in
      guard let base = mask.baseAddress else { return [0] }
      mask.initialize(repeating: 0)
      let bytes = affinity_mask(base, mask.count)
      guard bytes > 0 else { return [0] }
      var cpus: [Int] = []
      for i in 0..<min(Int(bytes), mask.count) {
        for bit in 0..<8 where mask[i] >> UInt8(bit) & 1 == 1 { cpus.append(i * 8 + bit) }
      }
      return cpus
    }
  }
}
