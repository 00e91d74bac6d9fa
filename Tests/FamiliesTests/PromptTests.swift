// SPDX-License-Identifier: Apache-2.0
import Families
import Generation
import Schema
import Testing
import WeightFile

@Suite struct PromptTests {
  private func template(_ body: (PromptTemplate) throws -> Void) throws {
    let tiny = try TinyModel()
    defer { tiny.delete() }
    try body(PromptTemplate(PromptSettings(WeightFile(path: tiny.path).metadata)))
  }

  private func text(_ t: PromptTemplate, _ question: String, _ images: Int) -> String {
    String(decoding: t.prompt(question: Array(question.utf8), images: images), as: UTF8.self)
  }

  @Test func theTemplateTakesSystemImagesAndQuestion() throws {
    try template { t in
      #expect(text(t, "Q", 1) == "S. USER: <image>\nQ ASSISTANT:")
      #expect(text(t, "Q", 0) == "S. USER: Q ASSISTANT:")
      #expect(text(t, "Q", 2) == "S. USER: <image>\n<image>\nQ ASSISTANT:")
      #expect(text(t, "a <image> b", 1) == "S. USER: a <image> b ASSISTANT:")
      #expect(text(t, "{system}{question}", 0) == "S. USER: {system}{question} ASSISTANT:")
    }
  }

  @Test func tasksAreChosenByName() throws {
    try template { t in
      func task(_ name: String, _ question: String, _ images: Int) throws -> String {
        String(decoding: try t.prompt(task: Array(name.utf8), question: Array(question.utf8), images: images), as: UTF8.self)
      }
      #expect(try task("caption", "", 1) == "<image> Describe: ")
      #expect(try task("bare", "Q ", 2) == "<image><image>Q ")
      for (name, question, words) in [("caption", "Q", "takes no question"), ("verse", "", "it has caption, bare")] {
        do {
          _ = try task(name, question, 1)
          Issue.record("no error, expected one that says: \(words)")
        } catch let error as FoveaError { #expect(error.status == .argument && error.message.contains(words), "\(error.message)") }
      }
    }
  }

  @Test func textIsCutAtMarks() {
    let parts = PromptTemplate.split(Array("a<image><image>b".utf8))
    #expect(parts == [Array("a".utf8), [], Array("b".utf8)])
    #expect(PromptTemplate.split([]) == [[]])
    #expect(PromptTemplate.split(Array("<imag<image".utf8)).count == 1)
  }
}

@Suite struct StopTextsTests {
  private func run(_ stops: [String], _ pieces: [String]) -> (streamed: String, text: String, found: Bool) {
    var s = StopTexts(stops.map { Array($0.utf8) })
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
    var s = StopTexts([])
    #expect(s.append([1, 2]) == [1, 2])
    #expect(s.finish() == [])
  }

  @Test func theEarliestOfSeveralStopsWins() {
    #expect(run(["cd", "bc"], ["abcd"]) == ("a", "a", true))
  }
}

@Suite struct SamplerTests {
  private func next(_ sampler: inout Sampler, _ logits: [Float], _ previous: [Int32] = []) -> Int32 {
    var copy = logits
    return copy.withUnsafeMutableBufferPointer { sampler.next($0, previous: previous) }
  }

  @Test func greedyTakesTheFirstOfTheLargest() {
    var s = Sampler(GenerateOptions())
    #expect(next(&s, [1, 3, 3, 2]) == 1)
    #expect(next(&s, [.nan, -5, -4]) == 2)
    #expect(next(&s, [.nan, .nan]) >= 0)
  }

  @Test func topKOfOneIsGreedy() {
    var o = GenerateOptions()
    o.temperature = 5
    o.topK = 1
    var s = Sampler(o)
    for _ in 0..<50 { #expect(next(&s, [0, 1, 0.5]) == 1) }
  }

  @Test func frequenciesFollowTheSoftmax() {
    var o = GenerateOptions()
    o.temperature = 1
    o.seed = 11
    var s = Sampler(o)
    var counts = [0, 0, 0]
    for _ in 0..<20000 { counts[Int(next(&s, [0, Float(2).logarithm, Float(5).logarithm]))] += 1 }
    // Expected shares 1/8, 2/8, 5/8; four standard deviations are below 0.014.
    #expect(abs(Double(counts[0]) / 20000 - 0.125) < 0.014)
    #expect(abs(Double(counts[1]) / 20000 - 0.25) < 0.014)
  }

  @Test func topPLeavesTheTailOut() {
    var o = GenerateOptions()
    o.temperature = 1
    o.topP = 0.6
    var s = Sampler(o)
    for _ in 0..<200 { #expect(next(&s, [0, Float(2).logarithm, Float(5).logarithm]) == 2) }
  }

  @Test func repetitionIsPenalised() {
    var o = GenerateOptions()
    o.repetitionPenalty = 2
    var s = Sampler(o)
    #expect(next(&s, [3, 2], [0]) == 1)
    #expect(next(&s, [-1, -1.5], [0, 0]) == 1)
  }
}

extension Float {
  fileprivate var logarithm: Float {
    // Enough for the tests: ln by its series for atanh.
    let z = (self - 1) / (self + 1)
    return 2 * (0..<40).reduce(0) { $0 + (0..<(2 * $1 + 1)).reduce(Float(1)) { p, _ in p * z } / Float(2 * $1 + 1) }
  }
}
