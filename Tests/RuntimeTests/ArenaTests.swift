// SPDX-License-Identifier: Apache-2.0
import Runtime
import Testing

@Suite struct ArenaTests {
  @Test func memoryIsAlignedWritableAndDisjoint() throws {
    let arena = Arena()
    var random = SeededGenerator(1)
    var blocks: [(base: UnsafeMutableRawPointer, size: Int, mark: UInt8)] = []
    for i in 0..<500 {
      let size = Int.random(in: 0...(i % 50 == 49 ? 3 << 20 : 5000), using: &random)
      let base = try arena.allocate(bytes: size)
      #expect(UInt(bitPattern: base) % 64 == 0)
      base.initializeMemory(as: UInt8.self, repeating: UInt8(i & 255), count: size)
      blocks.append((base, size, UInt8(i & 255)))
    }
    for block in blocks {
      #expect((0..<block.size).allSatisfy { block.base.load(fromByteOffset: $0, as: UInt8.self) == block.mark })
    }
  }

  @Test func releaseReusesTheSameMemory() throws {
    let arena = Arena()
    _ = try arena.allocate(bytes: 100)
    let mark = arena.mark()
    let used = arena.used
    let first = try arena.allocate(bytes: 1000)
    arena.release(to: mark)
    #expect(arena.used == used)
    #expect(try arena.allocate(bytes: 1000) == first)
  }

  @Test func aWarmArenaAsksForNothingMore() throws {
    let arena = Arena()
    // Blocks that grow past the chunks made so far, marks in between, as a model's layers do.
    func pass() throws {
      let outer = arena.mark()
      for size in [10_000, 3 << 20, 700_000, 9 << 20, 64] {
        _ = try arena.allocate(bytes: size)
        let inner = arena.mark()
        _ = try arena.allocate(bytes: size * 2)
        _ = try arena.allocate(bytes: 12 << 20)
        arena.release(to: inner)
      }
      arena.release(to: outer)
    }
    try pass()
    try pass()
    let (mapped, peak) = (arena.mapped, arena.peak)
    for _ in 0..<20 { try pass() }
    #expect(arena.mapped == mapped)
    #expect(arena.peak == peak)
    #expect(arena.used == 0)
    arena.trim()
    #expect(arena.mapped == 0)
  }

  @Test func trimmingCanLeaveASmallFirstChunk() throws {
    let arena = Arena()
    let start = arena.mark()
    _ = try arena.allocate(bytes: 5000)
    _ = try arena.allocate(bytes: 9 << 20)
    arena.release(to: start)
    arena.trim(keepsFirst: true)
    #expect(arena.resident == 5056 && arena.resident <= Arena.kept(of: 9 << 20))
    arena.trim()
    #expect(arena.mapped == 0)
    // A large first chunk goes.
    let large = Arena()
    let first = large.mark()
    _ = try large.allocate(bytes: 9 << 20)
    large.release(to: first)
    large.trim(keepsFirst: true)
    #expect(large.mapped == 0)
  }

  @Test func marksAcrossChunksRestoreWhatWasUsed() throws {
    let arena = Arena()
    var random = SeededGenerator(2)
    var marks: [(Arena.Mark, Int)] = []
    for _ in 0..<2000 {
      if marks.isEmpty || Bool.random(using: &random) {
        marks.append((arena.mark(), arena.used))
        _ = try arena.allocate(bytes: Int.random(in: 0...1 << 20, using: &random))
      } else {
        let keep = Int.random(in: 0..<marks.count, using: &random)
        let (mark, used) = marks[keep]
        arena.release(to: mark)
        #expect(arena.used == used)
        marks.removeLast(marks.count - keep)
      }
      #expect(arena.used <= arena.mapped)
      #expect(arena.used <= arena.peak)
    }
  }

  @Test func theLimitHoldsAndNamesWhatWasWanted() throws {
    let arena = Arena(limit: 1 << 20)
    _ = try arena.allocate(bytes: 900_000)
    let mark = arena.mark()
    let error = #expect(throws: RuntimeError.self) { try arena.allocate(bytes: 200_000) }
    guard case .outOfMemory(let bytes) = error else { throw try #require(error) }
    #expect(bytes >= 200_000 && bytes < 200_064)
    #expect(arena.mapped <= 1 << 20)
    // It stays usable, up to the limit.
    arena.release(to: mark)
    _ = try arena.allocate(bytes: 100_000)
    #expect(throws: RuntimeError.self) { try arena.allocate(bytes: 1 << 20) }
  }

  @Test func aSmallLimitCanBeUsedWhole() throws {
    let arena = Arena(limit: 1000 * 64)
    for _ in 0..<10 { _ = try arena.allocate(bytes: 64) }
    #expect(throws: RuntimeError.self) { try arena.allocate(bytes: 1000 * 64) }
    let exact = Arena(limit: 1000 * 64)
    _ = try exact.allocate(bytes: 1000 * 64)
    #expect(exact.used == 1000 * 64)
    #expect(throws: RuntimeError.self) { try exact.allocate(bytes: 1) }
  }

  @Test(arguments: [(Int.max, 2), (1 << 40, 1 << 40), (Int.max / 4, 1), (-1, 5), (5, -1)])
  func impossibleSizesAreErrors(rows: Int, columns: Int) {
    #expect(throws: RuntimeError.self) { try Arena().tensor(rows, columns) }
  }

  @Test func emptyTensorsAreFine() throws {
    let arena = Arena()
    let t = try arena.tensor(0, 5)
    #expect(t.count == 0)
    #expect(try arena.tensor(4, 0).rows == 4)
  }

  @Test func memoryGoesBackWithTheArena() throws {
    // 140 000 times 1 GiB of address space, never touched: more than a process has (128 TiB), if any stayed.
    for _ in 0..<140_000 {
      let arena = Arena()
      _ = try arena.allocate(bytes: 1 << 30)
      #expect(arena.mapped == 1 << 30)
    }
  }
}
