// SPDX-License-Identifier: Apache-2.0
import Runtime
import Testing

@Suite struct MemoryTests {
  @Test func bandwidthIsPlausible() throws {
    let perSecond = try MemoryBandwidth(threads: 2, bytes: 64 << 20).measure()
    // Slower than any disk or faster than any cache would mean that nothing was read or something else was timed.
    #expect(perSecond > 1e8 && perSecond < 1e13)
  }

  @Test func bandwidthOfMoreThanTheMachineHasIsAnError() {
    #expect(throws: RuntimeError.self) { try MemoryBandwidth(threads: 1, bytes: 1 << 60) }
  }

  @Test(arguments: [("memory.max", "1073741824\n", 1 << 30), ("memory.max", "max\n", Int.max), ("memory.high", "5\n", Int.max)])
  func theLimitIsTheControlGroups(name: String, text: String, expected: Int) throws {
    let folder = try TemporaryFolder()
    try folder.write("0::/box\n", to: "proc/self/cgroup")
    try folder.write("29 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", to: "proc/self/mountinfo")
    try folder.write(text, to: "sys/fs/cgroup/box/\(name)")
    let machine = ProcessMemory.limitBytes(root: folder.path + "/nothing")
    #expect(machine > 1 << 30)
    #expect(ProcessMemory.limitBytes(root: folder.path) == min(machine, expected))
  }

  @Test func theLimitOfAVersion1Group() throws {
    let folder = try TemporaryFolder()
    try folder.write("4:memory:/box\n", to: "proc/self/cgroup")
    try folder.write("31 29 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n", to: "proc/self/mountinfo")
    try folder.write("268435456\n", to: "sys/fs/cgroup/memory/box/memory.limit_in_bytes")
    try folder.write("9223372036854771712\n", to: "sys/fs/cgroup/memory/memory.limit_in_bytes")
    #expect(ProcessMemory.limitBytes(root: folder.path) == 1 << 28)
    #expect(ProcessMemory.limitBytes() > 0)
  }

  @Test func peakMemoryGrowsWithWhatIsTouched() throws {
    let before = ProcessMemory.peakBytes
    #expect(before > 1 << 20)
    let size = before + (64 << 20)
    let arena = Arena()
    try arena.allocate(bytes: size).initializeMemory(as: UInt8.self, repeating: 1, count: size)
    #expect(ProcessMemory.peakBytes >= size)
  }
}
