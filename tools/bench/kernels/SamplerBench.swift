// SPDX-License-Identifier: Apache-2.0
#if canImport(Generation)
import Generation
import Kernels

extension Bench {
  /// Choosing one token of a large vocabulary, which also copies its logits.
  func sampling() {
    guard wants("sampling") else { return }
    let count = 152_000
    var state: UInt64 = 7
    // Sums of four even numbers are nearly normal.
    func number(_ scale: Float) -> Float {
      var sum: Float = 0
      for _ in 0..<4 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        sum += Float(state >> 40) / Float(1 << 24) - 0.5
      }
      return sum * scale
    }
    let kinds: [(String, [Float])] = [
      ("peaked", (0..<count).map { number(5) + ($0 % 20_000 == 77 ? 18 + Float($0) / 40_000 : 0) }),
      ("middling", (0..<count).map { _ in number(5) }), ("flat", (0..<count).map { _ in number(0.5) }),
      ("nearly equal", (0..<count).map { _ in number(0.001) }), ("ascending", (0..<count).map { Float($0) / Float(count) }),
    ]
    let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: 4 * count)
    defer { memory.deallocate() }
    memory.initialize(repeating: 0)
    let logits = UnsafeMutableBufferPointer(rebasing: memory[..<count])
    func time(_ name: String, _ values: [Float], _ body: () -> Void) {
      let seconds = best {
        for i in 0..<count { logits[i] = values[i] }
        body()
      }
      say("\(table.name) sampling \(name): \(fixed(seconds * 1e3, 3)) ms")
    }
    for (kind, values) in kinds {
      for (name, temperature, topK, topP) in [
        ("greedy", 0, 0, 1), ("all", 1, 0, 1), ("top-p 0.9", 1, 0, 0.9), ("top-k 50", 1, 50, 1), ("top-k 1000, top-p 0.9", 1, 1000, 0.9),
      ] as [(String, Float, Int, Float)] {
        var o = GenerateOptions()
        (o.temperature, o.topK, o.topP) = (temperature, topK, topP)
        let sampler = Sampler(o, table, scratch: UnsafeMutableBufferPointer(rebasing: memory[count..<2 * count]))
        time("\(kind), \(name)", values) { _ = sampler.next(logits) }
      }
      let found = LogProbabilities(table, scratch: UnsafeMutableBufferPointer(rebasing: memory[2 * count..<4 * count]))
      time("\(kind), log-probability", values) {
        found.observe(logits)
        found.append(5)
      }
    }
  }
}
#endif
