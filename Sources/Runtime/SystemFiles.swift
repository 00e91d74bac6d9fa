// SPDX-License-Identifier: Apache-2.0
import Shims

/// The few files under /proc and /sys that say how much CPU and memory there is. Paths and texts are bytes.
struct SystemFiles {
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

  /// The least limit that `limit` finds in the folders of this process's control groups of a controller and of their parents.
  func least(controller: String, _ limit: (_ folder: Bytes, _ isUnified: Bool) -> Double?) -> Double? {
    guard let groups = read(Bytes("/proc/self/cgroup".utf8)), let mounts = read(Bytes("/proc/self/mountinfo".utf8)) else { return nil }
    var least: Double?
    for line in groups.split(separator: newline) {
      // "hierarchy:controllers:path"; version 2 has no controllers.
      let parts = line.split(separator: UInt8(ascii: ":"), maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { continue }
      let isUnified = parts[1].isEmpty
      guard isUnified || SystemFiles.list(parts[1], has: controller) else { continue }
      for mount in mounts.split(separator: newline) {
        guard let place = SystemFiles.mountPoint(mount, controller, isUnified: isUnified) else { continue }
        // In a container the mount often shows a subtree, and the path may or may not start at it.
        var path = Bytes(parts[2])
        if place.root != Bytes("/".utf8), path.starts(with: place.root) { path.removeFirst(place.root.count) }
        while true {
          if let found = limit(place.point + path, isUnified) { least = min(least ?? found, found) }
          guard let slash = path.lastIndex(of: UInt8(ascii: "/")) else { break }
          path.removeSubrange(slash...)
        }
      }
    }
    return least
  }

  /// Where a line of mountinfo mounts the wanted control group file system: "id parent device root point options … - type source options".
  private static func mountPoint(_ line: ArraySlice<UInt8>, _ controller: String, isUnified: Bool) -> (root: Bytes, point: Bytes)? {
    let words = line.split(separator: UInt8(ascii: " "))
    guard let dash = words.firstIndex(where: { $0.count == 1 && $0.first == UInt8(ascii: "-") }), dash >= 5, words.count > dash + 3
    else { return nil }
    let type = Bytes(words[dash + 1])
    guard type == Bytes((isUnified ? "cgroup2" : "cgroup").utf8) else { return nil }
    guard isUnified || list(words[dash + 3], has: controller) else { return nil }
    return (Bytes(words[3]), Bytes(words[4]))
  }

  private static func list(_ text: ArraySlice<UInt8>, has name: String) -> Bool {
    text.split(separator: UInt8(ascii: ",")).contains { Bytes($0) == Bytes(name.utf8) }
  }

  /// The decimal number that `text` starts with.
  static func number(_ text: ArraySlice<UInt8>) -> Int? {
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

  func read(_ folder: Bytes, _ name: String) -> Bytes? { read(folder + Bytes(name.utf8)) }

  private func read(_ path: Bytes) -> Bytes? {
    // Larger than any usual mount table; a longer one is cut.
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
