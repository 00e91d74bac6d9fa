// SPDX-License-Identifier: Apache-2.0
import Foundation
import Generation
import Kernels
import TestSupport
import Testing

@Suite struct ProcessorTests {
  private func processed(_ p: LogitsProcessor, _ logits: [Float]) -> [Float] {
    var copy = logits
    copy.withUnsafeMutableBufferPointer { p.process($0) }
    return copy
  }

  @Test func repetitionIsPenalisedOnceForEachToken() {
    let p = TokenPenalties(repetition: 2)
    #expect(processed(p, [3, 2, -1]) == [3, 2, -1])
    for id: Int32 in [2, 0, 2, 0, 900] { p.accept(id) }
    #expect(processed(p, [3, 2, -1]) == [1.5, 2, -2])
  }

  @Test func endTokensAreBannedUntilTheLeastLength() {
    let p = MinimumLength(2, endIds: [1, 700])
    #expect(processed(p, [0, 0, 0]) == [0, -.infinity, 0])
    p.accept(0)
    #expect(processed(p, [0, 0, 0]) == [0, -.infinity, 0])
    p.accept(0)
    #expect(processed(p, [0, 0, 0]) == [0, 0, 0])
  }

  @Test func biasesAreAdded() {
    #expect(processed(LogitBias([(0, 1.5), (2, -.infinity), (-1, 3), (99, 3)]), [1, 1, 1]) == [2.5, 1, -.infinity])
  }

  @Test func logProbabilitiesAreThoseBeforeProcessors() {
    var numbers = Numbers(seed: 8)
    let logits = (0..<5000).map { _ in numbers.float(9) }
    let scratch = UnsafeMutableBufferPointer<Float>.allocate(capacity: 2 * logits.count)
    defer { scratch.deallocate() }
    let found = LogProbabilities(KernelTable.best(), scratch: scratch)
    let sum = log(logits.reduce(0.0) { $0 + exp(Double($1)) })
    for id: Int32 in [0, 17, 4999] {
      var copy = logits
      copy.withUnsafeMutableBufferPointer {
        found.observe($0)
        $0[Int(id)] = -.infinity
      }
      found.append(id)
      #expect(abs(Double(found.values[found.values.count - 1]) - (Double(logits[Int(id)]) - sum)) < 1e-5)
    }
  }

  /// Numbers of tokens above the context mean the context: 2³¹ of them took 4 GB.
  @Test func numbersOfTokensAreCappedByTheContext() throws {
    let tiny = try TinyModel()
    defer { tiny.delete() }
    let model = try Model.load(path: tiny.path, options: LoadOptions(threads: 1))
    func answer(_ change: (inout GenerateOptions) -> Void) throws -> [Int32] {
      var o = GenerateOptions()
      (o.isRaw, o.ignoresEnd, o.maxTokens) = (true, true, 20)
      change(&o)
      return try Session(model).generate(prompt: Array("abcab".utf8), images: [], options: o).ids
    }
    let plain = try answer { _ in }
    let most = Int(Int32.max)
    #expect(try answer { $0.loopTokens = most } == plain)
    #expect(try answer { $0.ngramBan = most } == plain)
    #expect(try answer { $0.draftTokens = most } == plain)
    #expect(try answer { $0.topK = most } == plain)
    #expect(try answer { ($0.minTokens, $0.ignoresEnd) = (most, false) }.count == 20)
    #expect(try answer { ($0.ngramBan, $0.ngramWindow) = (3, most) } == answer { $0.ngramBan = 3 })
    #expect(try answer { $0.maxTokens = Int.max }.count > 200)
  }
}
