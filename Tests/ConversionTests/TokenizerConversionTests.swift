// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Conversion
import Testing

@Suite struct TokenizerConversionTests {
  private let folder = Fixture.checkpoint("llava_next_hf_bin")  // has both forms of one vocabulary

  private func json(changing change: (String) -> String = { $0 }) throws -> TokenizerJSON {
    let text = String(decoding: try MappedFile(path: folder + "/tokenizer.json").contents, as: UTF8.self)
    return TokenizerJSON(json: try .parse(change(text), file: "tokenizer.json"), file: "tokenizer.json")
  }

  @Test func mergesGiveTheOrderOfTheScores() throws {
    let model = try SentencePieceModel(path: folder + "/tokenizer.model")
    let converted = try json().sentencePieceModel()
    #expect(converted.pieces == model.pieces)
    #expect(converted.kinds == model.kinds)
    let special: [Int] = [converted.unknown, converted.bos, converted.eos]
    #expect(special == [0, 1, 2])
    #expect(model.bos == 1)
    #expect(model.addDummyPrefix && !model.removeExtraWhitespaces && model.charsMap.isEmpty)
    // Pieces that come of merges stand in the same order.
    let learned = model.pieces.indices.filter { converted.scores[$0] < 0 }
    #expect(learned.count > 10)
    #expect(
      learned.sorted { model.scores[$0] > model.scores[$1] } == learned.sorted { converted.scores[$0] > converted.scores[$1] })
  }

  @Test func knowsWhereTheBlankGoes() throws {
    #expect(try json().prefixRule() == .every)
    let steps = #"{"type": "Sequence", "normalizers": [{"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}"#
    func rule(_ normalizer: String, _ splitter: String) throws -> TokenizerJSON.PrefixRule? {
      let text = #"{"normalizer": \#(normalizer), "pre_tokenizer": \#(splitter)}"#
      return try TokenizerJSON(json: .parse(text, file: "t"), file: "t").prefixRule()
    }
    func metaspace(_ scheme: String) -> String {
      #"{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "\#(scheme)", "split": false}"#
    }
    #expect(try rule(steps, "null") == nil)
    #expect(try rule("null", metaspace("first")) == .firstUnlessSpace)
    #expect(try rule("null", metaspace("always")) == .everyUnlessSpace)
    #expect(try rule("null", metaspace("never")) == nil)
    expectFailure("byte-level") { _ = try rule("null", #"{"type": "ByteLevel"}"#) }
    expectFailure("NFC") { _ = try rule(#"{"type": "NFC"}"#, "null") }
  }

  @Test func keepsMergesThatScoresCannotExpress() throws {
    // One way to build a piece is taken away.
    let all = try json()
    let merges = all.json["model"]?["merges"]?.array?.compactMap(\.string) ?? []
    let results = merges.map { $0.replacing(" ", with: "") }
    let double = try #require(merges.first { merge in results.filter { $0 == merge.replacing(" ", with: "") }.count > 1 })
    #expect(try all.sentencePieceModel().merges == nil)
    let kept = try json { $0.replacing("\"\(double)\",", with: "") }.sentencePieceModel()
    #expect(kept.merges == merges.filter { $0 != double })
    #expect(kept.scores.allSatisfy { $0 == 0 })
    expectFailure("does not join") {
      _ = try json { $0.replacing("\"\(double)\",", with: "\"q \(double)\",") }.sentencePieceModel()
    }
  }

  @Test func everyTruncatedModelIsReadOrRefused() throws {
    let whole = try MappedFile(path: folder + "/tokenizer.model").contents
    var refused = 0
    for count in 0..<whole.count {
      let part = Array(whole[..<count])
      do { _ = try part.withUnsafeBytes { try SentencePieceModel($0, file: "t") } } catch is ConversionError { refused += 1 }
    }
    // A cut between two pieces leaves a shorter vocabulary without its trainer's options, which is then no BPE.
    #expect(refused > whole.count - 40)
  }

  @Test func refusesHostileProtobuf() {
    let bytes: [[UInt8]] = [
      [0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], [0x0A, 0x80], [0x0A, 0x05, 1, 2], [0x0B], [],
      [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
    ]
    for message in bytes {
      #expect(throws: ConversionError.self) { try message.withUnsafeBytes { try SentencePieceModel($0, file: "t") } }
    }
  }
}
