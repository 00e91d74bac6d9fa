// SPDX-License-Identifier: Apache-2.0
import Kernels
import Runtime
import Testing

@Suite struct InputStatisticsTests {
  @Test(arguments: [0, 7, 24, 100]) func sumsOfAllCallsAreThoseOfTheInputs(wanted: Int) throws {
    var random = SeededGenerator(11)
    let root = try weights([
      TestTensor("wide.weight", random.floats(40 * 16), 16, 40, .q8x16, group: 32),
      TestTensor("narrow.weight", random.floats(24 * 16), 16, 24, .f32x16),
      TestTensor("idle.weight", random.floats(24 * 16), 16, 24, .f32x16),
    ])
    let statistics = InputStatistics(block: wanted)
    let ctx = Context(kernels: KernelTable.best(), pool: ThreadPool(threads: 2), statistics: statistics)
    let (wide, narrow) = (try Linear(root["wide"], from: 40, to: 16), try Linear(root["narrow"], from: 24, to: 16))
    var rows: [[Float]] = []
    for tokens in [1, 7, 3] {
      let x = random.floats(tokens * 24)
      for t in 0..<tokens { rows.append(Array(x[t * 24..<(t + 1) * 24])) }
      _ = try narrow(ctx.tensor(x, rows: tokens), ctx)
      _ = try wide(ctx.tensor(random.floats(tokens * 40), rows: tokens), ctx)
    }
    let sums = try #require(statistics[narrow.weight.data])
    #expect(sums.rows == 11 && sums.inputs == 24 && statistics[wide.weight.data]?.rows == 11)
    for k in 0..<24 {
      let expected = rows.reduce(0.0) { $0 + Double($1[k]) * Double($1[k]) }
      #expect(abs(sums.squares[k] - expected) < 1e-12)
    }
    let block = min(wanted, 24)
    #expect(sums.block == block && sums.products.count == 24 * block && statistics[wide.weight.data]?.block == min(wanted, 40))
    for i in 0..<24 where block > 0 {
      for j in i..<min((i / block + 1) * block, 24) {
        let expected = rows.reduce(Float(0)) { $0 + $1[i] * $1[j] }
        #expect(abs(sums.products[i * block + j % block] - expected) < 1e-5)
      }
    }
    let idle = try #require(root.store.matrices.first { $0.name == "idle.weight" })
    #expect(statistics[idle.data] == nil)
  }

  @Test func answersAreTheSameWithAndWithout() throws {
    var random = SeededGenerator(12)
    let root = try weights([TestTensor("m.weight", random.floats(64 * 48), 48, 64, .q4x16)])
    let linear = try Linear(root["m"], from: 64, to: 48)
    let x = random.floats(5 * 64)
    let plain = context()
    let watched = Context(kernels: plain.kernels, pool: plain.pool.threadPool, statistics: InputStatistics(block: 64))
    #expect(try linear(plain.tensor(x, rows: 5), plain).values == linear(watched.tensor(x, rows: 5), watched).values)
  }
}
