// SPDX-License-Identifier: Apache-2.0
import Conversion
import Foundation
import Generation
import Testing

/// What the converter writes can be loaded; what could not is refused with the checkpoint's file named.
@Suite struct LoadableTests {
  private func convert(_ folder: TemporaryFolder) throws -> [UInt8] {
    var options = Converter.Options()
    options.type = .f32
    options.name = "same"
    _ = try Converter(OpenCheckpoint(path: folder.path), options: options).write(to: folder.path + "/out.fovea")
    return try folder.read("out.fovea")
  }

  private func changed(_ name: String, _ file: String, _ change: ([UInt8]) -> [UInt8]) throws {
    let folder = try TemporaryFolder(copyOf: Fixture.checkpoint(name))
    let before = try folder.read(file)
    let after = change(before)
    #expect(after != before)
    try folder.write(file, after)
    _ = try convert(folder)
  }

  private func replacing(_ a: String, _ b: String) -> ([UInt8]) -> [UInt8] {
    { bytes in
      guard let found = Data(bytes).range(of: Data(a.utf8)) else { return bytes }
      return Array(bytes[..<found.lowerBound]) + Array(b.utf8) + bytes[found.upperBound...]
    }
  }

  @Test func refusesTwoUnknownPieces() {
    expectFailure("tokenizer.model", "2 unknown pieces") {
      // The type of <s>: control (3) becomes unknown (2).
      try changed("llava", "tokenizer.model") { bytes in
        var bytes = bytes
        if let name = Data(bytes).range(of: Data("<s>".utf8)),
          let type = bytes[name.upperBound...].prefix(8).indices.first(where: { bytes[$0] == 0x18 && bytes[$0 + 1] == 3 })
        {
          bytes[type + 1] = 2
        }
        return bytes
      }
    }
  }

  @Test func refusesByteLevelPiecesThatAreNoVocabulary() {
    // A rank that no longer is a single byte, and one that is there twice.
    expectFailure("qwen.tiktoken", "none for byte") { try changed("monkey", "qwen.tiktoken", replacing("IQ== 0\n", "ISEhISEhISE= 0\n")) }
    expectFailure("qwen.tiktoken", "text of an earlier") { try changed("monkey", "qwen.tiktoken", replacing("IQ== 0\n", "Ig== 0\n")) }
  }

  @Test func refusesBytePiecesWithAHole() {
    expectFailure("tokenizer.model", "none for byte") { try changed("llava", "tokenizer.model", replacing("<0x41>", "<0x42>")) }
    expectFailure("tokenizer.model", "no") { try changed("llava", "tokenizer.model", replacing("<0x41>", "<0xZZ>")) }
  }

  @Test func anUnknownArchitectureIsSaidBeforeMissingWeights() throws {
    let folder = try TemporaryFolder()
    try folder.write("config.json", #"{"architectures": ["BertModel"]}"#)
    expectFailure("architecture BertModel") { _ = try OpenCheckpoint(path: folder.path) }
    try folder.write("config.json", #"{"architectures": ["LlavaForConditionalGeneration"]}"#)
    expectFailure("model.safetensors") { _ = try OpenCheckpoint(path: folder.path) }
  }

  /// transformers warns of a tied head that the checkpoint has another of, and keeps the checkpoint's.
  @Test func keepsAHeadOfItsOwn() throws {
    let plain = try TemporaryFolder(copyOf: Fixture.checkpoint("llava"))
    let tied = try TemporaryFolder(copyOf: Fixture.checkpoint("llava"))
    let config = String(decoding: try plain.read("config.json"), as: UTF8.self)
    func saying(_ flag: Bool) -> String {
      let rest = config.replacing(/"tie_word_embeddings": *(true|false),?/, with: "")
      return rest.replacing(/^\s*\{/, with: "{\"tie_word_embeddings\": \(flag), \"_name_or_path\": \"same\",")
    }
    try plain.write("config.json", saying(false))
    try tied.write("config.json", saying(true))
    let expected = try convert(plain)
    #expect(try convert(tied) == expected)

    // An equal head is the embedding: it is left out.
    var bytes = try tied.read("model.safetensors")
    let size = bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    let header = try #require(try JSONSerialization.jsonObject(with: Data(bytes[8..<8 + size])) as? [String: [String: Any]])
    func place(_ name: String) throws -> Range<Int> {
      let ends = try #require(header[name]?["data_offsets"] as? [Int])
      return 8 + size + ends[0]..<8 + size + ends[1]
    }
    let (embedding, head) = (try place("model.embed_tokens.weight"), try place("lm_head.weight"))
    try #require(embedding.count == head.count)
    bytes.replaceSubrange(head, with: Array(bytes[embedding]))
    try tied.write("model.safetensors", bytes)
    #expect(try convert(tied).count < expected.count)
    _ = try Model.load(path: tied.path + "/out.fovea", options: LoadOptions())
  }
}
