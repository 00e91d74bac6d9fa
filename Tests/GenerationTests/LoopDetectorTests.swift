// SPDX-License-Identifier: Apache-2.0
import Generation
import Testing

@Suite struct LoopDetectorTests {
  @Test func noticesLoops() {
    func steps(_ ids: [Int32], loop: Int) -> Int? {
      let detector = LoopDetector(loop)
      for (i, id) in ids.enumerated() where detector.endsAfter(id, []) == .loop { return i + 1 }
      return nil
    }
    let piece: [Int32] = [4, 5, 6]
    let looping: [Int32] = [9, 8] + Array(repeating: piece, count: 20).joined()
    #expect(steps(looping, loop: 24) == 26)
    #expect(steps(looping, loop: 0) == nil)
    // A piece of 3 is too long to come four times in 11 tokens.
    #expect(steps(looping, loop: 11) == nil)
    #expect(steps([Int32](repeating: 5, count: 20), loop: 8) == 8)
    // An answer that only seldom repeats is none.
    #expect(steps([1, 2, 3, 1, 2, 3], loop: 8) == nil)
    #expect(steps((0..<200).map { Int32($0 % 50) }, loop: 64) == nil)
  }
}
