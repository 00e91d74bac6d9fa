// SPDX-License-Identifier: Apache-2.0
import Shims

/// How much CPU this process may use: its affinity mask, the CPU quotas of its control groups (v1 and v2), and how many of
/// the CPUs are second threads of one core.
package struct CPUBudget {
  /// CPUs that can run at the same time: affinity, and quota rounded up.
  package let processors: Int
  /// Threads worth starting: one a core, and no more than the quota (rounded) pays for. More only wait for each other.
  package let threads: Int

  package static func current() -> CPUBudget { CPUBudget(root: "", affinity: affinity()) }

  /// - Parameters:
  ///   - root: put before /proc and /sys (tests read a made-up tree).
  ///   - affinity: numbers of the CPUs that the process may run on.
  package init(root: String, affinity: [Int]) {
    let files = SystemFiles(root: root)
    let quota = files.quota()
    let cores = files.cores(of: affinity)
    let allowed = max(affinity.count, 1)
    processors = max(1, min(allowed, quota.map { CPUBudget.whole($0.up, allowed) } ?? allowed))
    threads = max(1, min(cores, quota.map { CPUBudget.whole($0.nearest, allowed) } ?? cores))
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

/// The few files under /proc and /sys that say how much CPU there is. Paths and texts are bytes.
private struct SystemFiles {
  typealias Bytes = [UInt8]
  let root: Bytes

  init(root: String) { self.root = Bytes(root.utf8) }

  /// Distinct cores among `cpus`; a CPU whose topology is not told counts as a core.
  func cores(of cpus: [Int]) -> Int {
    var leaders: Set<Int> = []
    for cpu in cpus {
      let folder = Bytes("/sys/devices/system/cpu/cpu\(cpu)/topology/".utf8)
      let siblings = read(folder + Bytes("core_cpus_list".utf8)) ?? read(folder + Bytes("thread_siblings_list".utf8))
      leaders.insert(siblings.flatMap { SystemFiles.number($0[...]) } ?? cpu)
    }
    return max(leaders.count, 1)
  }

  /// The tightest CPU quota of this process's control groups and their parents, in CPUs; nil without one.
  func quota() -> (nearest: Double, up: Double)? {
    guard let groups = read(Bytes("/proc/self/cgroup".utf8)), let mounts = read(Bytes("/proc/self/mountinfo".utf8)) else { return nil }
    var least: Double?
    for line in groups.split(separator: newline) {
      // "hierarchy:controllers:path"; version 2 has hierarchy 0 and no controllers.
      let parts = line.split(separator: UInt8(ascii: ":"), maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { continue }
      let isUnified = parts[1].isEmpty
      guard isUnified || SystemFiles.list(parts[1], has: "cpu") else { continue }
      for mount in mounts.split(separator: newline) {
        guard let place = SystemFiles.mountPoint(mount, isUnified: isUnified) else { continue }
        // In a container the mount often shows a subtree, and the path may or may not start at it.
        var path = Bytes(parts[2])
        if place.root != Bytes("/".utf8), path.starts(with: place.root) { path.removeFirst(place.root.count) }
        while true {
          if let found = limit(in: place.point + path, isUnified: isUnified) { least = min(least ?? found, found) }
          guard let slash = path.lastIndex(of: UInt8(ascii: "/")) else { break }
          path.removeSubrange(slash...)
        }
      }
    }
    return least.map { (($0 + 0.5).rounded(.down), $0.rounded(.up)) }
  }

  private func limit(in folder: Bytes, isUnified: Bool) -> Double? {
    if isUnified {
      guard let text = read(folder + Bytes("/cpu.max".utf8)) else { return nil }
      let words = text.split(whereSeparator: { $0 == UInt8(ascii: " ") || $0 == newline })
      guard words.count == 2 else { return nil }
      return SystemFiles.ratio(SystemFiles.number(words[0]), SystemFiles.number(words[1]))  // "max" is no number
    }
    guard let quota = read(folder + Bytes("/cpu.cfs_quota_us".utf8)), let period = read(folder + Bytes("/cpu.cfs_period_us".utf8)) else { return nil }
    return SystemFiles.ratio(SystemFiles.number(quota[...]), SystemFiles.number(period[...]))  // −1 is no number
  }

  private static func ratio(_ quota: Int?, _ period: Int?) -> Double? {
    guard let quota, let period, quota > 0, period > 0 else { return nil }
    return Double(quota) / Double(period)
  }

  /// Where a line of mountinfo mounts the wanted control group file system: "id parent device root point options … - type source options".
  private static func mountPoint(_ line: ArraySlice<UInt8>, isUnified: Bool) -> (root: Bytes, point: Bytes)? {
    let words = line.split(separator: UInt8(ascii: " "))
    guard let dash = words.firstIndex(where: { $0.count == 1 && $0.first == UInt8(ascii: "-") }), dash >= 5, words.count > dash + 3
    else { return nil }
    let type = Bytes(words[dash + 1])
    guard type == Bytes((isUnified ? "cgroup2" : "cgroup").utf8) else { return nil }
    guard isUnified || list(words[dash + 3], has: "cpu") else { return nil }
    return (Bytes(words[3]), Bytes(words[4]))
  }

  private static func list(_ text: ArraySlice<UInt8>, has name: String) -> Bool {
    text.split(separator: UInt8(ascii: ",")).contains { Bytes($0) == Bytes(name.utf8) }
  }

  /// The decimal number that `text` starts with.
  private static func number(_ text: ArraySlice<UInt8>) -> Int? {
    var value: Int?
    for byte in text {
      guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { break }
      let (shifted, overflow) = (value ?? 0).multipliedReportingOverflow(by: 10)
      let (sum, overflow2) = shifted.addingReportingOverflow(Int(byte - UInt8(ascii: "0")))
      if overflow || overflow2 { return nil }
      value = sum
    }
    return value
  }

  private func read(_ path: Bytes) -> Bytes? {
    // Larger than the mount table of any sane machine; a longer one is cut.
    let most = 1 << 18
    let name = root + path + [0]
    let bytes = Bytes(unsafeUninitializedCapacity: most) { buffer, count in
      guard let base = buffer.baseAddress else { return }
      count = name.withUnsafeBufferPointer { name in
        guard let name = name.baseAddress else { return 0 }
        return name.withMemoryRebound(to: CChar.self, capacity: 1) { read_system_file($0, base, most) }
      }
    }
    return bytes.isEmpty ? nil : bytes
  }
}

private let newline = UInt8(ascii: "\n")
