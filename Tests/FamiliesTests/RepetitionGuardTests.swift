// SPDX-License-Identifier: Apache-2.0
import Generation
import Testing

@Suite struct RepetitionGuardTests {
  /// Ids that are impossible after `ids`.
  private func banned(_ guarding: RepetitionGuard, vocabulary: Int = 10) -> [Int] {
    var logits = [Float](repeating: 0, count: vocabulary)
    logits.withUnsafeMutableBufferPointer { guarding.ban($0) }
    return logits.indices.filter { logits[$0] == -.infinity }
  }

  @Test func bansWhatWouldCompleteARun() {
    // After 1 2, the runs 1 2 3 and 1 2 4 were there.
    let prompt: [Int32] = [1, 2, 3, 1, 2, 4, 5, 1, 2]
    #expect(banned(RepetitionGuard(prompt: prompt, ngram: 3, window: 0, loop: 0)) == [3, 4])
    #expect(banned(RepetitionGuard(prompt: prompt, ngram: 4, window: 0, loop: 0)) == [])
    #expect(banned(RepetitionGuard(prompt: prompt, ngram: 2, window: 0, loop: 0)) == [3, 4])
    #expect(banned(RepetitionGuard(prompt: prompt, ngram: 0, window: 0, loop: 0)) == [])
    // Of the last seven tokens (3 1 2 4 5 1 2) only the second run is one.
    #expect(banned(RepetitionGuard(prompt: prompt, ngram: 3, window: 7, loop: 0)) == [4])
  }

  @Test func countsTheAnswerAndSkipsImages() {
    var guarding = RepetitionGuard(prompt: [7, -1, -1, 8], ngram: 2, window: 0, loop: 0)
    for id: Int32 in [7, 5, 8, 6, 7] {
      let isLooping = guarding.append(id)
      #expect(!isLooping)
    }
    // 7 was followed by an image row (never chosen) and by 5.
    #expect(banned(guarding) == [5])
    #expect(banned(RepetitionGuard(prompt: [1], ngram: 2, window: 0, loop: 0)) == [])
    // An id past the logits is left alone.
    #expect(banned(RepetitionGuard(prompt: [1, 900, 1], ngram: 2, window: 0, loop: 0)) == [])
  }

  @Test func noticesLoops() {
    func steps(_ ids: [Int32], loop: Int) -> Int? {
      var guarding = RepetitionGuard(prompt: [1, 2, 3], ngram: 0, window: 0, loop: loop)
      for (i, id) in ids.enumerated() where guarding.append(id) { return i + 1 }
      return nil
    }
    let piece: [Int32] = [4, 5, 6]
    let looping: [Int32] = [9, 8] + Array(repeating: piece, count: 20).joined()
    #expect(steps(looping, loop: 24) == 26)
    #expect(steps(looping, loop: 0) == nil)
    // A piece of 3 is too long to come four times in 11 tokens.
    #expect(steps(looping, loop: 11) == nil)
    #expect(steps([Int32](repeating: 5, count: 20), loop: 8) == 8)
    // The prompt is no part of a loop, and an answer that only seldom repeats is none.
    #expect(steps([1, 2, 3, 1, 2, 3], loop: 8) == nil)
    #expect(steps((0..<200).map { Int32($0 % 50) }, loop: 64) == nil)
  }
}
