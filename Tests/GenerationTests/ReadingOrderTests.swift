// SPDX-License-Identifier: Apache-2.0
import Families
import Foundation
import Generation
import TestSupport
import Testing

@Suite struct ReadingOrderTests {
  /// Columns 10 to 14, rows 20 to 24, a line break 9; 1 to 8 are letters.
  private let order = ReadingOrder(LocationTokens(columns: 10..<15, rows: 20..<25, newline: 9))

  /// Ids that are impossible after `ids`.
  private func banned(after ids: [Int32]) -> [Int] {
    for id in ids { order.accept(id) }
    var logits = [Float](repeating: 0, count: 24)
    logits.withUnsafeMutableBufferPointer { order.process($0) }
    return logits.indices.filter { logits[$0] == -.infinity }
  }

  @Test func columnsOfALineGrow() {
    #expect(banned(after: [20, 11, 1, 2]) == [10, 11])
    #expect(banned(after: [13, 3]) == [10, 11, 12, 13])
    #expect(banned(after: [14]) == [10, 11, 12, 13, 14])
    // A slanted line goes on in another row, where its columns are not known to grow.
    #expect(banned(after: [21, 5]) == [])
  }

  @Test func everyLineBeginsBelowTheOneBefore() {
    #expect(banned(after: [21, 12, 1]) == [10, 11, 12])
    // Lines are compared where they begin: this one ended higher up.
    #expect(banned(after: [20, 13, 1, 9]) == [20, 21])
    // A line without a place, and an empty one.
    #expect(banned(after: [1, 2, 9]) == [20, 21])
    #expect(banned(after: [9]) == [20, 21])
    #expect(banned(after: [23, 10]) == [10, 20, 21])
    #expect(banned(after: [1]) == [10])
    // The last row of all is past these logits.
    #expect(banned(after: [9, 24, 10, 1, 9]) == [20, 21, 22, 23])
  }

  @Test func aPlaceWithoutTextBeginsNoLine() {
    // A caption's place, then the value's, which stands above it.
    #expect(banned(after: [23, 12, 21]) == [])
    #expect(banned(after: [10, 1, 9]) == [20, 21])
  }

  /// The whole way, from the file to the answer: a, b and c as columns, d, e and f as rows, nothing else that could be said.
  @Test func answersOfAModelWithLocationsKeepTheOrder() throws {
    func answer(_ locations: (String, String, Int)?, _ change: (inout GenerateOptions) -> Void = { _ in }) throws -> [UInt8] {
      let tiny = try TinyModel(locations: locations)
      defer { tiny.delete() }
      let model = try Model.load(path: tiny.path, options: LoadOptions(threads: 1))
      var o = GenerateOptions()
      (o.maxTokens, o.ignoresEnd) = (40, true)
      o.allowedIds = try model.tokenize(Array("abcdef".utf8)).suffix(6)
      change(&o)
      return try Session(model).generate(prompt: Array("abc".utf8), images: [], options: o).text
    }
    func grow(_ text: [UInt8]) -> Bool {
      text.split { $0 >= UInt8(ascii: "d") }.allSatisfy { line in zip(line, line.dropFirst()).allSatisfy { $0 < $1 } }
    }
    let free = try answer(nil)
    let ordered = try answer(("a", "d", 3))
    #expect(!grow(free) && grow(ordered) && ordered.count > 20)
    #expect(try grow(answer(("a", "d", 3)) { $0.temperature = 2 }))
    #expect(try answer(("a", "d", 3)) { $0.isRaw = true } == answer(nil) { $0.isRaw = true })
  }

  @Test func locationsThatAreNoTokensAreRefused() throws {
    for (locations, words) in [(("<x0>", "d", 3), "no token <x0>"), (("a", "d", 200), "location tokens"), (("a", "b", 3), "share")] {
      let tiny = try TinyModel(locations: locations)
      defer { tiny.delete() }
      do {
        _ = try Model.load(path: tiny.path, options: LoadOptions(threads: 1))
        Issue.record("no error, expected one that says: \(words)")
      } catch { #expect(error.message.contains(words), "\(error.message)") }
    }
  }
}
