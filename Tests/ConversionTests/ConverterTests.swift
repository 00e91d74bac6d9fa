// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Conversion
import Families
import Generation
import Images
import Quantization
import Testing
import WeightFile

@Suite struct ConverterTests {
  private func convert(_ name: String, _ type: ModelType, to folder: TemporaryFolder) throws -> String {
    var options = Converter.Options()
    options.type = type
    let path = folder.path + "/\(name).fovea"
    _ = try Converter(OpenCheckpoint(path: Fixture.checkpoint(name)), options: options).write(to: path)
    return path
  }

  private func relative(_ a: [Float], _ b: [Float]) -> Float {
    guard a.count == b.count else { return .infinity }
    let difference = zip(a, b).reduce(Float(0)) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    return (difference / b.reduce(Float(0)) { $0 + $1 * $1 }).squareRoot()
  }

  /// What the library makes of the checkpoint's image and prompt, against what PyTorch made of them.
  private func compare(
    _ name: String, _ type: ModelType
  ) throws -> (
    embeddings: Float, logits: Float, ids: [Int32], expected: [Int32]
  ) {
    let folder = try TemporaryFolder()
    let model = try Model.load(path: convert(name, type, to: folder), options: LoadOptions())
    let reference = try SafetensorsFile(path: Fixture.path("checkpoints/\(name)/reference.safetensors"))
    func recorded(_ key: String) throws -> [Float] { try reference.readAll(try #require(reference.info(key))) }
    let prompt = try MappedFile(path: Fixture.path("checkpoints/\(name)/prompt.txt")).contents
    let image = try model.encode(RGBImage.decode(path: Fixture.path("checkpoints/\(name)/image.png")))
    let embeddings = Array(UnsafeBufferPointer(start: image.data, count: image.tokens * image.hiddenSize))

    let session = try Session(model)
    var logits: [Float] = []
    try session.logits(prompt: prompt, images: [image], options: .raw) { values, _ in logits = Array(values) }
    var options = GenerateOptions()
    options.maxTokens = 32
    options.ignoresEnd = true
    options.isRaw = true
    let answer = try session.generate(prompt: prompt, images: [image], options: options)
    return (
      relative(embeddings, try recorded("embeddings")), relative(logits, try recorded("logits")), answer.ids,
      try recorded("greedy").map { Int32($0) }
    )
  }

  @Test(arguments: [
    "hires", "hires_stem", "llava", "llava_hf", "llava_next_hf_bin", "monkey", "text_monkey", "got", "got_hf", "got_mlx", "vary_tiny", "vary_toy",
    "smolvlm",
    "idefics3", "granite_docling",
  ])
  func floatsGivePyTorchsAnswer(_ name: String) throws {
    let found = try compare(name, .f32)
    #expect(found.embeddings < 1e-5 && found.logits < 1e-5, "\(found)")
    #expect(found.ids == found.expected)
  }

  @Test(
    arguments: ["hires", "hires_stem", "llava_next_hf_bin", "monkey", "text_monkey", "got", "vary_tiny", "vary_toy", "smolvlm"],
    [(ModelType.f16, Float(1e-3)), (.int8, 0.06), (.int4, 0.3)])
  func smallerTypesStayClose(_ name: String, _ type: (ModelType, Float)) throws {
    let found = try compare(name, type.0)
    // The checkpoints hold half precision numbers, so f16 weights lose nothing; the logits then differ by the f16 KV cache.
    if type.0 == .f16 { #expect(found.embeddings < 1e-5) }
    // Random weights 24 wide are harder to quantize than trained ones: measured up to 0.037 (int8) and 0.21 (int4).
    #expect(found.embeddings < type.1 && found.logits < type.1, "\(found)")
  }

  @Test func fileIsSoundAndTellsWhatItIs() throws {
    let folder = try TemporaryFolder()
    let file = try WeightFile(path: convert("hires", .int4, to: folder))
    try file.verify()
    let m = file.metadata
    #expect(
      m.string("general.system") == "hires_llava" && m.string("general.type") == "int4" && m.string("general.name") == "checkpoint")
    #expect(
      m.ints("hires.restoreLayers") == [0, 1] && m.int("hires.maxSlices") == 6 && m.ints("image.padColour") == [122, 116, 104])
    #expect(m.strings("tokenizer.pieces")?.count == 320 && m.strings("tokenizer.added") == ["<unk>", "<s>", "</s>"])
    for (name, encoding) in [
      ("layers.1.attn.qkv", TensorEncoding.q5x16), ("layers.0.attn.out", .n4x16), ("layers.1.mlp.gateUp", .n4x16),
      ("layers.1.mlp.contract", .n4x16), ("head", .q6x16), ("embedding", .q6x16),
    ] {
      #expect(file.record("language.\(name).weight")?.encoding == encoding, "\(name)")
    }
    #expect(file.record("vision.patch.weight")?.encoding == .f16x16)
    #expect(file.record("vision.layers.0.restore.local.weight")?.shape == [9, 24])
  }

  @Test func sameCheckpointGivesTheSameBytes() throws {
    let folder = try TemporaryFolder()
    let first = try folder.read(convert("llava", .int4, to: folder).split(separator: "/").last.map(String.init) ?? "")
    _ = try convert("llava", .int4, to: folder)
    #expect(try folder.read("llava.fovea") == first)
  }

  @Test func aFailedConversionLeavesTheOldFile() throws {
    let source = try TemporaryFolder(copyOf: Fixture.checkpoint("hires"))
    let folder = try TemporaryFolder()
    try folder.write("model.fovea", "the good one")
    // The last tensor's last number becomes NaN: it is met when nearly all is written.
    var bytes = try source.read("model.safetensors")
    for i in bytes.indices.suffix(2) { bytes[i] = 0x7E }
    try source.write("model.safetensors", bytes)
    let converter = try Converter(OpenCheckpoint(path: source.path))
    expectFailure("not a finite number", "row") { _ = try converter.write(to: folder.path + "/model.fovea") }
    #expect(try folder.read("model.fovea") == Array("the good one".utf8))
    #expect(folder.files == ["model.fovea"])
  }

  @Test func progressMayEndIt() throws {
    struct Enough: Error {}
    let folder = try TemporaryFolder()
    let converter = try Converter(OpenCheckpoint(path: Fixture.checkpoint("llava")))
    var seen: [Int] = []
    #expect(throws: Enough.self) {
      try converter.write(to: folder.path + "/m.fovea") { done, _ in
        seen.append(done)
        if done > converter.totalElements / 2 { throw Enough() }
      }
    }
    #expect(folder.files.isEmpty && seen == seen.sorted() && (seen.last ?? 0) <= converter.totalElements)
  }

  @Test func oddGroupsAreRefused() throws {
    var options = Converter.Options()
    options.group = 48
    let checkpoint = try OpenCheckpoint(path: Fixture.checkpoint("llava"))
    expectFailure("--group 48") { _ = try Converter(checkpoint, options: options) }
  }
}
