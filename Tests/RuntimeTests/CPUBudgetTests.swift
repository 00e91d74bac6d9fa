// SPDX-License-Identifier: Apache-2.0
import Foundation
import Runtime
import Testing

/// Budgets of made-up machines: a tree with the files of /proc and /sys that matter.
@Suite struct CPUBudgetTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func budget(_ cpus: Range<Int>) -> CPUBudget { CPUBudget(root: folder.path, affinity: Array(cpus)) }

  @Test func withoutAnyFileEveryCPUCounts() {
    let b = budget(0..<6)
    #expect(b.processors == 6)
    #expect(b.threads == 6)
  }

  @Test func secondThreadsOfACoreAreNotCounted() throws {
    // 4 cores of 2 threads: CPU n and n + 4.
    for cpu in 0..<8 {
      try folder.write("\(cpu % 4),\(cpu % 4 + 4)\n", to: "sys/devices/system/cpu/cpu\(cpu)/topology/thread_siblings_list")
    }
    #expect(budget(0..<8).threads == 4)
    #expect(budget(0..<8).processors == 8)
    #expect(budget(4..<8).threads == 4)
    #expect(CPUBudget(root: folder.path, affinity: [1, 5]).threads == 1)
  }

  @Test(arguments: [
    ("400000 100000", 4, 4), ("150000 100000", 2, 2), ("120000 100000", 1, 2), ("20000 100000", 1, 1), ("max 100000", 16, 16), ("-5 0", 16, 16),
    ("", 16, 16),
  ])
  func quotaOfVersion2(text: String, threads: Int, processors: Int) throws {
    try folder.write("0::/box\n", to: "proc/self/cgroup")
    try folder.write("29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n", to: "proc/self/mountinfo")
    try folder.write(text + "\n", to: "sys/fs/cgroup/box/cpu.max")
    #expect(budget(0..<16).threads == threads)
    #expect(budget(0..<16).processors == processors)
  }

  @Test func theTightestParentCounts() throws {
    try folder.write("0::/a/b/c\n", to: "proc/self/cgroup")
    try folder.write("29 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", to: "proc/self/mountinfo")
    try folder.write("max 100000\n", to: "sys/fs/cgroup/a/b/c/cpu.max")
    try folder.write("300000 100000\n", to: "sys/fs/cgroup/a/b/cpu.max")
    try folder.write("500000 100000\n", to: "sys/fs/cgroup/a/cpu.max")
    #expect(budget(0..<16).threads == 3)
  }

  @Test func aContainerThatSeesOnlyItsSubtree() throws {
    // The path is the host's, the mount shows the container's own group.
    try folder.write("0::/host/pod/box\n", to: "proc/self/cgroup")
    try folder.write("29 23 0:26 /host/pod/box /sys/fs/cgroup ro - cgroup2 cgroup rw\n", to: "proc/self/mountinfo")
    try folder.write("200000 100000\n", to: "sys/fs/cgroup/cpu.max")
    #expect(budget(0..<16).threads == 2)
  }

  @Test func quotaOfVersion1() throws {
    try folder.write("5:cpuset:/\n4:cpu,cpuacct:/box\n3:memory:/box\n", to: "proc/self/cgroup")
    try folder.write(
      """
      30 29 0:27 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset
      31 29 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct

      """, to: "proc/self/mountinfo")
    try folder.write("100000\n", to: "sys/fs/cgroup/cpu/box/cpu.cfs_period_us")
    try folder.write("250000\n", to: "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us")
    #expect(budget(0..<16).threads == 3)
    #expect(budget(0..<2).threads == 2)
    try folder.write("-1\n", to: "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us")
    #expect(budget(0..<16).threads == 16)
  }

  @Test(arguments: ["", "::::\n", "garbage", "0::\n0::relative\n4:cpu:///\n"])
  func brokenFilesAreNoLimit(text: String) throws {
    try expectNoLimit(text)
  }

  @Test func aPathOfManyGroupsIsNoLimit() throws {
    try expectNoLimit("0::/" + String(repeating: "x/", count: 3000))
  }

  private func expectNoLimit(_ text: String) throws {
    try folder.write(text, to: "proc/self/cgroup")
    try folder.write("- - -\n1 2 3 4 5 - cgroup2 x\n29 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", to: "proc/self/mountinfo")
    #expect(budget(0..<4).threads == 4)
  }

  @Test func thisMachine() {
    let b = CPUBudget.current()
    #expect(b.threads >= 1)
    #expect(b.threads <= b.processors)
    #expect(b.processors <= CPUBudget.affinity().count)
    #expect(ThreadPool().threads == b.threads)
  }
}
