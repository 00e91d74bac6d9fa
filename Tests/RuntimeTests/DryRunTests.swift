// SPDX-License-Identifier: Apache-2.0
import Kernels
import Runtime
import Testing
import WeightFile

/// A model's code over a store without weights, on an idle pool, in a sparse arena.
@Suite struct DryRunTests {
  private func dryContext(threads: Int = 2) -> Context {
    Context(kernels: KernelTable.best(), pool: ThreadPool(idleWith: threads), arena: Arena(isSparse: true))
  }

  @Test func anIdlePoolCallsNothing() {
    let pool = ThreadPool(idleWith: 5)
    #expect(pool.threads == 5)
    pool.run(3) { _ in Issue.record("called") }
    pool.split(100, grain: 1) { _ in Issue.record("called") }
    pool.run(1) { _ in Issue.record("called") }
  }

  @Test func theArenaCountsWhatWasReached() throws {
    let arena = Arena()
    let mark = arena.mark()
    _ = try arena.allocate(bytes: 640)
    _ = try arena.allocate(bytes: 64)
    arena.release(to: mark)
    _ = try arena.allocate(bytes: 320)
    #expect(arena.resident == 704 && arena.peakResident == 704)
    arena.release(to: mark)
    _ = try arena.allocate(bytes: 3 << 20)  // a chunk of its own takes the place of the first
    #expect(arena.resident == 3 << 20 && arena.peakResident == 3 << 20)
    arena.release(to: mark)
    arena.trim()
    #expect(arena.resident == 0 && arena.peakResident == 3 << 20)
  }

  @Test(arguments: [TensorEncoding.f32x16, .q8x16], [1, 40]) func itTakesWhatARealRunTakes(encoding: TensorEncoding, tokens: Int) throws {
    var random = SeededGenerator(31)
    let folder = try TemporaryFolder()
    let tensors = [
      try TestTensor("qkv.weight", random.floats(192 * 64), 192, 64, encoding),
      try TestTensor("expand.weight", random.floats(256 * 64), 256, 64, encoding),
      try TestTensor("contract.weight", random.floats(64 * 256), 64, 256, encoding),
      TestTensor("norm.weight", [64], halves: random.floats(64)),
    ]
    let file = try WeightFile(path: write(tensors, in: folder, .zstd))
    let real = context()
    let store = try WeightStore(file, pool: real.pool.threadPool, kernels: real.kernels)
    let planned = try WeightStore(planning: file)
    #expect(planned.residentBytes == store.residentBytes && planned.mappedBytes == store.mappedBytes)

    func pass(_ w: Weights, _ ctx: Context) throws -> Int {
      let norm = try RMSNorm(w["norm"], size: 64, epsilon: 1e-5)
      let qkv = try Linear(w["qkv"], from: 64, to: 192)
      let (expand, contract) = (try Linear(w["expand"], from: 64, to: 256), try Linear(w["contract"], from: 256, to: 64))
      let cache = try KVCache(layers: 1, kvHeads: 4, headSize: 16, capacity: 64, type: .float16)
      let x = try ctx.arena.tensor(tokens, 64)
      fill(x, with: 0.5, ctx)
      let h = try qkv(norm(x, for: qkv, ctx), ctx)
      try cache.append(layer: 0, key: h.data + 64, value: h.data + 128, tokens: tokens, stride: 192, ctx)
      let a = try causalAttention(query: h.data, queryStride: 192, parts: [SequencePart(cache, rows: 0..<tokens)], layer: 0, heads: 4, ctx)
      add(a, to: x, ctx)
      try contract(expand(norm(x, for: expand, ctx), .silu, for: contract, ctx), addingTo: x, ctx)
      return ctx.arena.peakResident
    }
    #expect(try pass(planned.root, dryContext()) == pass(store.root, real))
  }
}
