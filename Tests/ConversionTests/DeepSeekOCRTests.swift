// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Conversion
import Families
import Generation
import Images
import Quantization
import Testing

/// DeepSeek-OCR against tools/reference/deepseek_ocr.py; make_deepseek_checkpoints.py recorded it.
@Suite struct DeepSeekOCRTests {
  private static let name = "deepseek_ocr"

  /// The checkpoint with these keys put in front of its config.
  private func checkpoint(_ keys: String = "") throws -> TemporaryFolder {
    let folder = try TemporaryFolder(copyOf: Fixture.checkpoint(Self.name))
    let config = String(decoding: try folder.read("config.json"), as: UTF8.self)
    try folder.write("config.json", keys.isEmpty ? config : "{\(keys)," + config.drop { $0 != "{" }.dropFirst())
    return folder
  }

  private func model(mode: String, _ type: ModelType = .f32) throws -> Model {
    let folder = try checkpoint("\"fovea.mode\": \"\(mode)\"")
    var options = Converter.Options()
    options.type = type
    _ = try Converter(OpenCheckpoint(path: folder.path), options: options).write(to: folder.path + "/m.fovea")
    return try Model.load(path: folder.path + "/m.fovea", options: LoadOptions())
  }

  /// `picture` of make_deepseek_checkpoints.py.
  private func picture(_ width: Int, _ height: Int) throws -> RGBImage {
    let image = try RGBImage(width: width, height: height, colour: .black)
    for y in 0..<height {
      for x in 0..<width {
        image[x, y] = RGBColour(
          UInt8((x * x / 61 + y * 3) % 256), UInt8((y * y / 37 + x * 2 + x * y / 53) % 256), UInt8((x / 16 + y / 24) % 2 * 160 + x % 64))
      }
    }
    return image
  }

  private func relative(_ a: [Float], _ b: [Float]) -> Float {
    guard a.count == b.count else { return .infinity }
    let difference = zip(a, b).reduce(Float(0)) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    return (difference / b.reduce(Float(0)) { $0 + $1 * $1 }).squareRoot()
  }

  @Test(arguments: [
    ("base", "base", 300, 200), ("tiny", "tiny", 200, 333), ("large", "large", 90, 120), ("gundam1", "gundam", 640, 333),
    ("gundam2", "gundam", 333, 700), ("gundam6", "gundam", 1100, 720),
  ])
  func floatsGivePyTorchsAnswer(_ name: String, _ mode: String, _ width: Int, _ height: Int) throws {
    let model = try model(mode: mode)
    let reference = try SafetensorsFile(path: Fixture.path("checkpoints/\(Self.name)/reference.safetensors"))
    func recorded(_ key: String) throws -> [Float] { try reference.readAll(try #require(reference.info("\(name).\(key)"))) }
    let prompt = try MappedFile(path: Fixture.path("checkpoints/\(Self.name)/prompt.txt")).contents
    let image = try model.encode(picture(width, height))
    #expect([Float(image.tokens)] == (try recorded("tokens")))
    #expect(image.tokens <= model.system.vision.maximumTokens)
    let rows = Array(stride(from: 0, to: image.tokens, by: 37)) + [image.tokens - 1]
    let embeddings = rows.flatMap { Array(UnsafeBufferPointer(start: image.data + $0 * image.hiddenSize, count: image.hiddenSize)) }
    #expect(relative(embeddings, try recorded("embeddings")) < 1e-5)

    let session = try Session(model)
    var logits: [Float] = []
    let last = 4 * model.system.decoder.vocabSize
    try session.logits(prompt: prompt, images: [image], options: .raw) { values, _ in logits = Array(values.suffix(last)) }
    #expect(relative(logits, try recorded("logits")) < 1e-5)
    var options = GenerateOptions()
    (options.maxTokens, options.ignoresEnd, options.isRaw) = (32, true, true)
    #expect(try session.generate(prompt: prompt, images: [image], options: options).ids == recorded("greedy").map { Int32($0) })
  }

  @Test func smallerTypesStayClose() throws {
    let exact = try model(mode: "tiny").encode(picture(100, 100))
    let expected = Array(UnsafeBufferPointer(start: exact.data, count: exact.tokens * exact.hiddenSize))
    for type in [ModelType.int8, .int4] {
      let image = try model(mode: "tiny", type).encode(picture(100, 100))
      #expect(relative(Array(UnsafeBufferPointer(start: image.data, count: image.tokens * image.hiddenSize)), expected) < 0.06)
    }
  }

  /// A token reads of eight experts three.
  @Test func aTokenReadsItsExpertsAlone() throws {
    let decoder = try model(mode: "base").system.decoder
    let (h, vocabulary) = (32, decoder.vocabSize)
    // Every block's attention, the first one's MLP; in the others router (a block of 16 rows), shared part and three
    // experts; the head.
    let weights = 3 * 4 * h * h + 3 * h * 48 + 2 * (16 * h + 3 * h * 32 + 3 * 3 * h * 16) + (vocabulary + 15) / 16 * 16 * h
    #expect(decoder.bytesPerToken == 4 * weights)
  }

  @Test func aModeMayBeAskedFor() throws {
    let (gundam, tiny) = (try model(mode: "gundam"), try model(mode: "tiny"))
    func vectors(_ image: ImageEmbedding) -> [Float] { Array(UnsafeBufferPointer(start: image.data, count: image.tokens * image.hiddenSize)) }
    let page = try picture(150, 90)
    #expect(try vectors(gundam.encode(page, mode: Array("tiny".utf8))) == vectors(tiny.encode(page)))
    #expect(throws: FoveaError.self) { try gundam.encode(page, mode: []) }
  }

  @Test func promptsAreThePublishedOnes() throws {
    let template = try model(mode: "gundam").system.template
    func prompt(_ task: String, _ question: String = "") throws -> String {
      String(decoding: try template.prompt(task: Array(task.utf8), question: Array(question.utf8), images: 1), as: UTF8.self)
    }
    #expect(try prompt("markdown") == "<image>\n<|grounding|>Convert the document to markdown.")
    #expect(try prompt("ocr") == "<image>\nFree OCR.")
    #expect(try prompt("figure") == "<image>\nParse the figure.")
    #expect(try prompt("locate", "the seal") == "<image>\nLocate <|ref|>the seal<|/ref|> in the image.")
    #expect(template.ngramBan == 30 && template.ngramWindow == 90 && template.ngramAllowed == [Array("<td>".utf8), Array("</td>".utf8)])
  }

  @Test func pagesAreCutOnRequestOnly() throws {
    let vision = try model(mode: "gundam").system.vision
    let page = ImageSize(width: 1000, height: 3000)
    func shape(_ plan: ViewsPlan) -> [Int] { [plan.rows, plan.columns, plan.cuts.count] }
    #expect(shape(try vision.views(of: page)) == [3, 1, 4])
    #expect(shape(try vision.views(of: page, tiles: 2)) == [2, 1, 3])
    #expect(shape(try vision.views(of: page, tiles: 1)) == [0, 0, 1])
    for tiles in [0, 10] { #expect(throws: ImageError.self) { try vision.views(of: page, tiles: tiles) } }
    func mode(_ name: String, _ tiles: Int? = nil) throws -> ViewsPlan { try vision.views(of: page, mode: Array(name.utf8), tiles: tiles) }
    let large = try mode("large")
    #expect(shape(large) == [0, 0, 1] && large.pictures[0].width == 1280)
    #expect(shape(try mode("gundam", 2)) == [2, 1, 3])
    #expect(throws: ImageError.self) { try mode("huge") }
    #expect(throws: ImageError.self) { try mode("tiny", 4) }
    let base = try model(mode: "base").system.vision
    #expect(throws: ImageError.self) { try base.views(of: page, tiles: 2) }
  }

  @Test func whatItCannotReadIsNamed() throws {
    func refused(_ keys: String, _ words: String) throws {
      let folder = try checkpoint(keys)
      expectFailure(words) { _ = try Converter(OpenCheckpoint(path: folder.path)) }
    }
    try refused("\"fovea.mode\": \"huge\"", "fovea.mode")
    func language(_ change: String, _ words: String) throws {
      let folder = try checkpoint()
      let config = String(decoding: try folder.read("config.json"), as: UTF8.self)
      let parts = change.split(separator: "|").map(String.init)
      #expect(config.contains(parts[0]))
      try folder.write("config.json", config.replacing(parts[0], with: parts[1]))
      expectFailure(words) { _ = try Converter(OpenCheckpoint(path: folder.path)) }
    }
    try language("\"use_mla\": false|\"use_mla\": true", "use_mla")
    try language("\"topk_method\": \"greedy\"|\"topk_method\": \"noaux_tc\"", "topk_method")
    try language("\"num_experts_per_tok\": 3|\"num_experts_per_tok\": 9", "num_experts_per_tok")
    try language("\"n_routed_experts\": 8|\"n_routed_experts\": 9", "experts.8")
    try language("\"projector_type\": \"linear\"|\"projector_type\": \"mlp_gelu\"", "projector_type")
  }
}
