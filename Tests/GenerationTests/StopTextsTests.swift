// SPDX-License-Identifier: Apache-2.0
import Generation
import Testing

@Suite struct StopTextsTests {
  private func run(_ stops: [String], _ pieces: [String]) -> (streamed: String, text: String, found: Bool) {
    let s = StopTexts(stops.map { Array($0.utf8) })
    var streamed: [UInt8] = []
    for piece in pieces { streamed += s.append(Array(piece.utf8)) }
    if !s.isFound { streamed += s.finish() }
    return (String(decoding: streamed, as: UTF8.self), String(decoding: s.text, as: UTF8.self), s.isFound)
  }

  @Test func aStopTextSplitOverPiecesIsLeftOut() {
    #expect(run(["END"], ["abc E", "N", "D more"]) == ("abc ", "abc ", true))
    #expect(run(["END"], ["abc E", "N", "d"]) == ("abc ENd", "abc ENd", false))
    #expect(run(["\n\n", "x"], ["a\n", "\nb"]) == ("a", "a", true))
    #expect(run(["aab"], ["a", "a", "a", "b"]) == ("a", "a", true))
  }

  @Test func withoutStopTextsEverythingPassesAtOnce() {
    let s = StopTexts([])
    #expect(s.append([1, 2]) == [1, 2])
    #expect(s.finish() == [])
  }

  @Test func theEarliestOfSeveralStopsWins() {
    #expect(run(["cd", "bc"], ["abcd"]) == ("a", "a", true))
  }
}
