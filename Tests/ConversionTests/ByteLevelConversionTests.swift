// SPDX-License-Identifier: Apache-2.0
import Conversion
import Families
import Foundation
import Schema
import Testing
import Tokenizers
import WeightFile

/// Published tokenizers through a weight file, against HF tokenizers and tiktoken. The folders, or those
/// FOVEA_TOKENIZER_CHECKPOINTS names (more strings, another seed), are of tools/reference/make_tokenizer_checkpoints.py.
@Suite struct ByteLevelConversionTests {
  static let names =
    ["opt_files", "gpt2_json", "qwen2_json", "llama3_json", "qwen_tiktoken", "digits_json", "number_json", "llama_json"]
    + ["o200k_json", "tekken_json", "qwen35_json", "nanochat_json", "deepseek_json", "deepseek_coder_json", "deepseek3_json"]
    + ["digits_o200k_json", "prefixed_json", "two_patterns_json", "uncut_json"]
  static let root = ProcessInfo.processInfo.environment["FOVEA_TOKENIZER_CHECKPOINTS"] ?? Fixture.path("tokenizers")

  private func read<T: Decodable>(_ path: String) throws -> T {
    try JSONDecoder().decode(T.self, from: Data(contentsOf: URL(fileURLWithPath: Self.root + "/" + path)))
  }

  /// The metadata as they come back out of a file.
  private func metadata(_ folder: String, _ needs: TokenizerNeeds = TokenizerNeeds()) throws -> Metadata {
    let checkpoint = try OpenCheckpoint(path: folder)
    let output = try TemporaryFolder()
    let writer = try WeightFileWriter(path: output.path + "/t.fovea", compression: .none)
    let entries = try TokenizerMetadata(checkpoint, needs).settings(vocabSize: try checkpoint.config.size("vocab_size"))
      .entries(file: "t")
    for (key, value) in entries { writer.set(key, value) }
    try writer.finish()
    return try WeightFile(path: output.path + "/t.fovea").metadata
  }

  @Test(arguments: names) func givesTheReferenceIds(name: String) throws {
    let texts: [String] = try read("texts.json")
    let expected: [[Int32]] = try read(name + "/expected.json")
    #expect(texts.count >= 200 && texts.count == expected.count)
    let m = try metadata(Self.root + "/" + name)
    let tokenizer = try Tokenizer(TokenizerSettings(m))
    let addsBegin = m.bool("tokenizer.addBos") == true
    var wrong = 0
    for (text, ids) in zip(texts, expected) {
      let found = try tokenizer.encode(Array(text.utf8), addBOS: addsBegin, parseSpecials: true)
      guard found != ids else { continue }
      wrong += 1
      if wrong <= 3 { Issue.record("\(name): \(text.debugDescription): \(found), not \(ids)") }
    }
    #expect(wrong == 0, "of \(texts.count)")
  }

  @Test func knowsWhatEndsAnAnswer() throws {
    let folder = Self.root + "/qwen_tiktoken"
    #expect(try metadata(folder).ints("tokenizer.eosIds") == [420])
    let m = try metadata(folder, TokenizerNeeds(endTokens: ["<|im_end|>", "<|endoftext|>"]))
    #expect(m.ints("tokenizer.eosIds") == [420, 422])
    expectFailure("<|nothing|>") { _ = try metadata(folder, TokenizerNeeds(endTokens: ["<|nothing|>"])) }
  }

  @Test func refusesDamagedFiles() throws {
    func changed(_ name: String, _ file: String, _ change: (String) -> String) throws {
      let folder = try TemporaryFolder(copyOf: Self.root + "/" + name)
      try folder.write(file, change(String(decoding: try folder.read(file), as: UTF8.self)))
      _ = try metadata(folder.path)
    }
    expectFailure("line 3") {
      try changed("qwen_tiktoken", "qwen.tiktoken") { $0.replacing(" 2\n", with: " 3\n") }
    }
    expectFailure("line 1") { try changed("qwen_tiktoken", "qwen.tiktoken") { "!" + $0 } }
    expectFailure("empty") { try changed("qwen_tiktoken", "qwen.tiktoken") { _ in "" } }
    expectFailure("there twice") { try changed("opt_files", "vocab.json") { $0.replacing(": 5,", with: ": 6,") } }
    expectFailure("RobertaTokenizer") {
      try changed("opt_files", "tokenizer_config.json") { $0.replacing("GPT2", with: "Roberta") }
    }
    expectFailure("the pattern") { try changed("qwen2_json", "tokenizer.json") { $0.replacing(#"\\p{N}|"#, with: #"\\p{N}+|"#) } }
    expectFailure("behavior Removed") {
      // Numbers would be all that is left.
      try changed("deepseek3_json", "tokenizer.json") { $0.replacing(#""Isolated","invert":false"#, with: #""Removed","invert":true"#) }
    }
    expectFailure("Lowercase") { try changed("qwen2_json", "tokenizer.json") { $0.replacing(#""NFC""#, with: #""Lowercase""#) } }
    expectFailure("Punctuation") {
      try changed("gpt2_json", "tokenizer.json") {
        $0.replacing(
          #""pre_tokenizer":{"#, with: #""pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Punctuation"},{"type":"ByteLevel"}]},"x":{"#)
      }
    }
  }

  @Test func everyWrongTypeInTheMetadataIsNamed() throws {
    let checkpoint = try OpenCheckpoint(path: Self.root + "/opt_files")
    let entries = try TokenizerMetadata(checkpoint, TokenizerNeeds()).settings(vocabSize: 1000).entries(file: "t")
    let output = try TemporaryFolder()
    for damaged in ["tokenizer.pieces", "tokenizer.pattern", "tokenizer.kind", "tokenizer.addedIds", "tokenizer.composition"] {
      let writer = try WeightFileWriter(path: output.path + "/t.fovea", compression: .none)
      for (key, value) in entries { writer.set(key, key == damaged ? .string("no") : value) }
      try writer.finish()
      let m = try WeightFile(path: output.path + "/t.fovea").metadata
      let error = #expect(throws: WeightFileError.self) { _ = try TokenizerSettings(m) }
      #expect(error?.description.contains(damaged) == true, "\(damaged): \(error?.description ?? "")")
    }
  }
}
