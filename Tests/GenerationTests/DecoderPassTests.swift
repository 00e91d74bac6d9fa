// SPDX-License-Identifier: Apache-2.0
import Decoders
import Fovea
import Generation
import Runtime
import TestSupport
import Testing

@Suite struct DecoderPassTests {
  /// A pass of several sequences for which memory runs out, wherever it does, also while scores are computed, leaves the caches as they were.
  @Test func onePassThatLacksMemoryCanBeMadeAgain() throws {
    let tiny = try TinyModel()
    defer { tiny.delete() }
    let model = try Model.load(path: tiny.path, options: LoadOptions(threads: 1))
    let decoder = model.system.decoder
    let memory = Arena()
    let caches = try (0..<3).map { _ in try decoder.makeCache(capacity: 16, type: .float32, host: nil) }
    let ids = try memory.array(of: Int32.self, 8)
    for i in 0..<8 { ids[i] = Int32(i + 3) }
    let x = try memory.tensor(8, decoder.hiddenSize)
    let scores = try memory.tensor(3, decoder.vocabSize)

    func run(_ arena: Arena) throws(RuntimeError) {
      let context = model.context(arena, StopSignal())
      try decoder.embed(UnsafeBufferPointer(start: ids, count: 8), into: x, model.context(memory, StopSignal()))
      var pass = DecoderPass(decoder, x)
      for (cache, rows) in zip(caches, [4, 1, 3]) {
        pass.append(cache, rows: rows)
      }
      for (i, row) in [3, 4, 7].enumerated() { pass.score(row: row, into: scores[i]) }
      try pass.run(context)
    }
    func lengths() -> [Int] { caches.map { $0.length } }
    func values() -> [Float] { Array(UnsafeBufferPointer(start: scores.data, count: scores.count)) }

    try run(Arena())
    let first = values()
    #expect(lengths() == [4, 1, 3])
    try run(Arena())
    let second = values()
    for cache in caches { cache.truncate(to: 0) }

    var failed = 0
    for limit in stride(from: 0, to: 1 << 20, by: 64) {
      do throws(RuntimeError) {
        try run(Arena(limit: limit))
        break
      } catch {
        failed += 1
        #expect(lengths() == [0, 0, 0])
        if failed.isMultiple(of: 8) {
          try run(Arena())
          #expect(values() == first)
          do throws(RuntimeError) { try run(Arena(limit: limit)) } catch { #expect(lengths() == [4, 1, 3]) }
          try run(Arena())
          #expect(values() == second && lengths() == [8, 2, 6])
          for cache in caches { cache.truncate(to: 0) }
        }
      }
    }
    #expect(failed > 8)
  }
}
