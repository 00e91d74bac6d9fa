// SPDX-License-Identifier: Apache-2.0
import Runtime
import Testing

@Suite struct MemoryTests {
  @Test func bandwidthIsPlausible() throws {
    let perSecond = try MemoryBandwidth.measure(threads: 2, bytes: 64 << 20)
    // Slower than any disk or faster than any cache would mean that nothing was read or something else was timed.
    #expect(perSecond > 1e8 && perSecond < 1e13)
  }

  @Test func bandwidthOfMoreThanTheMachineHasIsAnError() {
    #expect(throws: RuntimeError.self) { try MemoryBandwidth.measure(threads: 1, bytes: 1 << 60) }
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
