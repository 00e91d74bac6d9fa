// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Conversion
import Foundation
import Schema
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

  /// The tokenizer of the checkpoint with files changed; nil: the file is taken away.
  private func settings(_ changes: [String: (String) -> String?]) throws -> TokenizerSettings {
    let copy = try TemporaryFolder(copyOf: folder)
    defer { withExtendedLifetime(copy) {} }
    for (name, change) in changes {
      if let text = change(String(decoding: try copy.read(name), as: UTF8.self)) {
        try copy.write(name, text)
      } else {
        try FileManager.default.removeItem(atPath: copy.path + "/" + name)
      }
    }
    let checkpoint = try OpenCheckpoint(path: copy.path)
    let system = try SystemDescription(checkpoint)
    return try TokenizerMetadata(checkpoint, system.tokenizer).settings(vocabSize: system.decoder.vocabSize)
  }

  @Test func noBlankStandsBeforeTextsWhereEitherFileSaysSo() throws {
    func unprefixed(_ text: String) -> String {
      text.replacing(#/\{\s*"type": "Prepend",\s*"prepend": "▁"\s*\},/#, with: "")
    }
    #expect(try settings([:]).sentencePiece.addDummyPrefix)
    #expect(try !settings(["tokenizer.json": unprefixed]).sentencePiece.addDummyPrefix)
    #expect(try !settings(["tokenizer.json": unprefixed, "tokenizer.model": { _ in nil }]).sentencePiece.addDummyPrefix)
    for said in [true, false] {
      let found = try settings([
        "tokenizer.json": { _ in nil }, "tokenizer_config.json": { $0.replacing("{", with: "{\"add_prefix_space\": \(said),", maxReplacements: 1) },
      ])
      #expect(found.sentencePiece.addDummyPrefix == said)
    }
  }

  @Test func theTokenizersOwnBeginTokenCounts() throws {
    func second(_ text: String) -> String { text.replacing("\"bos_token_id\": 1", with: "\"bos_token_id\": 2") }
    #expect(try settings(["config.json": second, "generation_config.json": second]).bos == 1)
    // A class for any tokenizer.json adds what stands in it, LLaMA's own class its begin token.
    func plain(_ text: String) -> String { text.replacing("\"TemplateProcessing\"", with: "\"None\"") }
    for (name, adds) in [("PreTrainedTokenizerFast", false), ("LlamaTokenizer", true)] {
      let found = try settings([
        "tokenizer.model": { _ in nil }, "tokenizer.json": plain,
        "tokenizer_config.json": { $0.replacing("\"add_bos_token\": true,", with: "").replacing("LlamaTokenizer", with: name) },
      ])
      #expect(found.addBos == adds, "\(name)")
    }
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
