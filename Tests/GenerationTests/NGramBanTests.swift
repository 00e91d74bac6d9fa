// SPDX-License-Identifier: Apache-2.0
import Generation
import Testing

@Suite struct NGramBanTests {
  /// Ids that are impossible after `ids`.
  private func banned(_ ban: NGramBan, vocabulary: Int = 10) -> [Int] {
    var logits = [Float](repeating: 0, count: vocabulary)
    logits.withUnsafeMutableBufferPointer { ban.process($0) }
    return logits.indices.filter { logits[$0] == -.infinity }
  }

  @Test func bansWhatWouldCompleteARun() {
    // After 1 2, the runs 1 2 3 and 1 2 4 were there.
    let prompt: [Int32] = [1, 2, 3, 1, 2, 4, 5, 1, 2]
    #expect(banned(NGramBan(3, window: 0, prompt: prompt)) == [3, 4])
    #expect(banned(NGramBan(4, window: 0, prompt: prompt)) == [])
    #expect(banned(NGramBan(2, window: 0, prompt: prompt)) == [3, 4])
    #expect(banned(NGramBan(0, window: 0, prompt: prompt)) == [])
    // Of the last seven tokens (3 1 2 4 5 1 2) only the second run is one.
    #expect(banned(NGramBan(3, window: 7, prompt: prompt)) == [4])
  }

  @Test func neverBansWhatIsAllowed() {
    let prompt: [Int32] = [1, 2, 3, 1, 2, 4, 5, 1, 2]
    #expect(banned(NGramBan(3, window: 0, allowed: [4, 9], prompt: prompt)) == [3])
    #expect(banned(NGramBan(3, window: 7, allowed: [4], prompt: prompt)) == [])
  }

  @Test func countsTheAnswerAndSkipsImages() {
    let ban = NGramBan(2, window: 0, prompt: [7, -1, -1, 8])
    for id: Int32 in [7, 5, 8, 6, 7] { ban.accept(id) }
    // 7 was followed by an image row (never chosen) and by 5.
    #expect(banned(ban) == [5])
    #expect(banned(NGramBan(2, window: 0, prompt: [1])) == [])
    // An id past the logits is left alone.
    #expect(banned(NGramBan(2, window: 0, prompt: [1, 900, 1])) == [])
  }
}
