// SPDX-License-Identifier: Apache-2.0
import Shims

/// Memory of this process as the system counts it.
package enum ProcessMemory {
  /// Most resident bytes so far.
  package static var peakBytes: Int { Int(clamping: peak_resident_bytes()) }

  /// Bytes this process can have at most: the machine's memory, or less where a control group (v1 or v2) says so.
  /// - Parameter root: put before /proc and /sys (tests read a made-up tree).
  package static func limitBytes(root: String = "") -> Int {
    let files = SystemFiles(root: root)
    let machine = Int(clamping: physical_memory_bytes())
    let group = files.least(controller: "memory") { folder, isUnified in
      // "max" is no number.
      files.read(folder, isUnified ? "/memory.max" : "/memory.limit_in_bytes").flatMap { SystemFiles.number($0[...]) }.map { Double($0) }
    }
    guard let group, group < Double(machine) else { return machine }
    return Int(group)
  }
}
