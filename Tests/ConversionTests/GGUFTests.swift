// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Conversion
import Families
import Generation
import Images
import Testing
import WeightFile

@Suite struct GGUFTests {
  @Test func everyNumberFormatIsReadAsTheReferenceReadsIt() throws {
    let file = try GGUFFile(path: Fixture.path("gguf/types/types.gguf"))
    let names = file.tensors.map(\.name).filter { !$0.hasSuffix(".read") }
    #expect(names.count == 15)
    for name in names {
      let (info, recorded) = (try #require(file.info(name)), try #require(file.info(name + ".read")))
      #expect(info.shape == recorded.shape)
      let expected = try file.readAll(recorded)
      #expect(try file.readAll(info).map(\.bitPattern) == expected.map(\.bitPattern), "\(name)")
      // A row by itself.
      var row = [Float](repeating: 0, count: info.rowSize)
      try row.withUnsafeMutableBufferPointer { try file.read(name, rows: 1..<2, into: #require($0.baseAddress)) }
      #expect(row == Array(expected[info.rowSize..<2 * info.rowSize]), "\(name)")
    }
  }

  private func convert(_ path: String, to name: String, _ folder: TemporaryFolder) throws -> (converter: Converter, path: String) {
    var options = Converter.Options()
    options.type = .f32
    let converter = try Converter(OpenCheckpoint(path: path), options: options)
    let file = folder.path + "/" + name
    _ = try converter.write(to: file)
    return (converter, file)
  }

  /// llama.cpp's own converters made the files; what they say must be what the checkpoint said that they were made from.
  @Test(arguments: ["llava", "smolvlm"])
  func filesOfLlamaCppAreTheirCheckpoints(_ name: String) throws {
    let folder = try TemporaryFolder()
    let gguf = try convert(Fixture.path("gguf/\(name)"), to: "gguf.fovea", folder)
    let original = try convert(Fixture.checkpoint(name), to: "original.fovea", folder)
    // Padding of the vocabulary and the names of things may differ; texts without a template of their own get the usual one.
    for (key, value) in original.converter.metadata where !["general.name", "general.source"].contains(key) {
      let found = gguf.converter.metadata.first { $0.key == key }?.value
      if key.hasPrefix("tokenizer.pieces") || key.hasPrefix("tokenizer.scores") || key.hasPrefix("tokenizer.types") { continue }
      #expect(found == value, "\(key)")
    }
    let (a, b) = (try WeightFile(path: gguf.path), try WeightFile(path: original.path))
    #expect(a.records.map(\.name) == b.records.map(\.name))
    try answers(gguf.path, as: name)
  }

  /// A grid of views, by its candidates in the tower's file.
  @Test func filesOfANeXTGiveItsAnswer() throws {
    let folder = try TemporaryFolder()
    let gguf = try convert(Fixture.path("gguf/llava_next"), to: "gguf.fovea", folder)
    let original = try convert(Fixture.checkpoint("llava_next_hf_bin"), to: "original.fovea", folder)
    func grids(_ converter: Converter) -> [MetadataValue] { converter.metadata.filter { $0.key.hasSuffix("inpoints") }.map(\.value) }
    #expect(grids(gguf.converter).count == 1 && grids(gguf.converter) == grids(original.converter))
    try answers(gguf.path, as: "llava_next_hf_bin")
  }

  /// Qwen2 with its biases, Granite with its multipliers, LLaMA 3.1 with its RoPE factors.
  @Test(arguments: ["qwen2", "granite", "llama3"]) func decodersGiveTheAnswerOfTransformers(_ name: String) throws {
    let folder = try TemporaryFolder()
    let model = try Model.load(path: convert(Fixture.path("gguf/\(name)"), to: "m.fovea", folder).path, options: LoadOptions())
    let reference = try SafetensorsFile(path: Fixture.path("gguf/\(name)/reference.safetensors"))
    func recorded(_ key: String) throws -> [Float] { try reference.readAll(try #require(reference.info(key))) }
    let prompt = Array("User: 12 red triangles".utf8)
    let session = try Session(model)
    var options = GenerateOptions()
    (options.maxTokens, options.ignoresEnd, options.isRaw) = (16, true, true)
    let ids = try session.generate(prompt: prompt, images: [], options: options).ids
    #expect(ids == (try recorded("greedy").map { Int32($0) }))
    var logits: [Float] = []
    try Session(model).logits(prompt: prompt, images: [], options: .raw) { values, _ in logits = Array(values) }
    let expected = try recorded("logits")
    #expect(logits.count == expected.count)
    let error = zip(logits, expected).reduce(Float(0)) { max($0, ($1.0 - $1.1).magnitude) }
    #expect(error <= 1e-4 * (expected.map(\.magnitude).max() ?? 0))
  }

  /// Decoder and mmproj of DeepSeek-OCR and DeepSeek-OCR 2: what the checkpoints give that they were made from, to the bit.
  @Test(arguments: ["deepseek_ocr", "deepseek_ocr2"]) func filesOfDeepSeekOCRAreTheirCheckpoints(_ name: String) throws {
    let folder = try TemporaryFolder()
    let gguf = try convert(Fixture.path("gguf/\(name)"), to: "gguf.fovea", folder)
    let original = try convert(Fixture.checkpoint(name), to: "original.fovea", folder)
    for (key, value) in original.converter.metadata where !["general.name", "general.source"].contains(key) && !key.hasPrefix("tokenizer.") {
      #expect(gguf.converter.metadata.first { $0.key == key }?.value == value, "\(key)")
    }
    func logits(_ path: String) throws -> [Float] {
      let model = try Model.load(path: path, options: LoadOptions())
      var found: [Float] = []
      let prompt = Array("<image>\n<|grounding|>Convert the document to markdown.".utf8)
      let image = try model.encode(RGBImage(width: 900, height: 300, colour: RGBColour(40, 200, 90)))
      try Session(model).logits(prompt: prompt, images: [image], options: .raw) { values, _ in found = Array(values) }
      return found
    }
    let expected = try logits(original.path)
    #expect(try logits(gguf.path) == expected && !expected.isEmpty)
    expectFailure("mmproj") { _ = try OpenCheckpoint(path: alone("\(name)-bf16.gguf", of: name, in: folder)) }
  }

  /// A copy of a decoder's file without the tower's beside it.
  private func alone(_ file: String, of name: String, in folder: TemporaryFolder) throws -> String {
    try folder.write(file, try MappedFile(path: Fixture.path("gguf/\(name)/\(file)")).withBytes { Array($0) })
    return folder.path + "/" + file
  }

  /// Logits and greedy ids of a model against those recorded of a checkpoint.
  private func answers(_ path: String, as name: String) throws {
    let model = try Model.load(path: path, options: LoadOptions())
    let reference = try SafetensorsFile(path: Fixture.path("checkpoints/\(name)/reference.safetensors"))
    func recorded(_ key: String) throws -> [Float] { try reference.readAll(try #require(reference.info(key))) }
    let prompt = try MappedFile(path: Fixture.path("checkpoints/\(name)/prompt.txt")).contents
    let image = try model.encode(RGBImage.decode(path: Fixture.path("checkpoints/\(name)/image.png")))
    let session = try Session(model)
    var logits: [Float] = []
    try session.logits(prompt: prompt, images: [image], options: .raw) { values, _ in logits = Array(values) }
    let expected = try recorded("logits")
    #expect(logits.count == expected.count)
    let error = zip(logits, expected).reduce(Float(0)) { max($0, ($1.0 - $1.1).magnitude) }
    #expect(error <= 1e-4 * (expected.map(\.magnitude).max() ?? 0))
    var options = GenerateOptions()
    (options.maxTokens, options.ignoresEnd, options.isRaw) = (32, true, true)
    let ids = try session.generate(prompt: prompt, images: [image], options: options).ids
    #expect(ids == (try recorded("greedy").map { Int32($0) }))
  }

  @Test func damagedFilesAreRefusedByName() throws {
    let folder = try TemporaryFolder()
    let bytes = try MappedFile(path: Fixture.path("gguf/smolvlm/smolvlm-f32.gguf")).withBytes { Array($0) }
    let path = folder.path + "/damaged.gguf"
    func attempt(_ damaged: [UInt8]) throws {
      try folder.write("damaged.gguf", damaged)
      do { _ = try Converter(OpenCheckpoint(path: path)) } catch let error as ConversionError {
        #expect(!error.description.isEmpty)
      }
    }
    for cut in stride(from: 0, to: bytes.count, by: 997) { try attempt(Array(bytes[..<cut])) }
    var state: UInt64 = 1
    for _ in 0..<300 {
      var damaged = bytes
      for _ in 0..<4 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        damaged[Int(state >> 33) % min(bytes.count, 9000)] = UInt8(truncatingIfNeeded: state >> 20)
      }
      try attempt(damaged)
    }
  }

  @Test func whatIsNotReadIsNamed() throws {
    expectFailure("vision tower", "mmproj") { _ = try CheckpointDirectory(path: Fixture.path("gguf/llava/mmproj-model-f32.gguf")) }
    expectFailure("not a vision tower") {
      _ = try CheckpointDirectory(path: Fixture.path("gguf/llava/llava-f32.gguf"), tower: Fixture.path("gguf/smolvlm/smolvlm-f32.gguf"))
    }
  }
  /// A file with one setting more, or another tensor table: as ggml and llama.cpp have it, or refused.
  @Test func whatLlamaCppRefusesOrComputesOtherwiseIsRefused() throws {
    let folder = try TemporaryFolder()
    let bytes = try MappedFile(path: Fixture.path("gguf/llava/llava-f32.gguf")).withBytes { Array($0) }
    func little<T: FixedWidthInteger>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }
    func with(_ key: String, _ type: UInt32, _ value: [UInt8]) throws -> String {
      let added = little(UInt64(key.utf8.count)) + Array(key.utf8) + little(type) + value
      // The settings come first; the data moves on by whole 32 bytes, filled up by a setting that means nothing.
      let filler = (32 - (added.count + 8 + 1 + 4 + 8) % 32) % 32
      var changed = bytes
      changed.replaceSubrange(16..<24, with: little(bytes[16..<24].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) } + 2))
      let text = little(UInt64(filler)) + [UInt8](repeating: 97, count: filler)
      changed.insert(contentsOf: added + little(UInt64(1)) + [UInt8(ascii: "x")] + little(UInt32(8)) + text, at: 24)
      try folder.write("changed.gguf", changed)
      return folder.path + "/changed.gguf"
    }
    _ = try Converter(OpenCheckpoint(path: try with("general.note", 4, little(UInt32(1)))))
    for (key, type, value, word) in [
      ("general.alignment", 4, little(UInt32(3)), "power of two"),
      ("general.architecture", 8, little(UInt64(5)) + Array("llama".utf8), "twice"),
      ("x.nested", 9, little(UInt32(9)) + little(UInt64(0)), "array within an array"),
      ("x.unknown", 9, little(UInt32(99)) + little(UInt64(0)), "unknown type"),
      ("x.long", 9, little(UInt32(8)) + little(UInt64(60_000)), "more than the file has room for"),
      ("llama.attention.causal", 7, [0], "attention.causal"),
      ("llama.attention.clamp_kqv", 6, little(Float(8).bitPattern), "clamp_kqv"),
      ("llama.rope.scale_linear", 6, little(Float(4).bitPattern), "scale_linear"),
    ] as [(String, UInt32, [UInt8], String)] {
      expectFailure(key, word) { _ = try Converter(OpenCheckpoint(path: try with(key, type, value))) }
    }
  }
}
