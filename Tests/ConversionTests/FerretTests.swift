// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Conversion
import Encoders
import Families
import Foundation
import Fovea
import Generation
import Images
import Kernels
import Quantization
import Regions
import Runtime
import Testing
import WeightFile

/// Checkpoints of tools/reference/make_ferret_checkpoints.py against PyTorch.
@Suite struct FerretTests {
  private struct Case {
    let folder: TemporaryFolder
    let model: Model
    let reference: SafetensorsFile
    let image: ImageEmbedding
    let prompt: [UInt8]
    let regions: [Region]

    init(_ name: String, _ type: ModelType = .f32) throws {
      folder = try TemporaryFolder()
      var options = Converter.Options()
      options.type = type
      _ = try Converter(OpenCheckpoint(path: Fixture.checkpoint(name)), options: options).write(to: folder.path + "/m.fovea")
      model = try Model.load(path: folder.path + "/m.fovea", options: LoadOptions())
      func path(_ file: String) -> String { Fixture.path("checkpoints/\(name)/\(file)") }
      let recorded = try SafetensorsFile(path: path("reference.safetensors"))
      reference = recorded
      prompt = try MappedFile(path: path("prompt.txt")).contents
      image = try model.encode(RGBImage.decode(path: path("image.png")))

      let mask = try RGBImage.decode(path: path("mask.png"))
      let bits = (0..<mask.width * mask.height).map { mask.pixels[3 * $0] }
      let bitmap = try Bitmap(rows: bits, width: mask.width, height: mask.height, stride: mask.width)
      regions =
        try JSONValue.read(path("regions.json")).array.map { list in
          try list.enumerated().map { i, entry in
            let n = entry["numbers"]?.array?.compactMap(\.double) ?? []
            let shape: Region.Shape =
              switch entry["kind"]?.string {
              case "box": .box(.init(x: n[0], y: n[1]), .init(x: n[2], y: n[3]))
              case "point": .point(.init(x: n[0], y: n[1]))
              default: .mask(bitmap)
              }
            return Region(shape, start: try Case.start(recorded, i))
          }
        } ?? []
    }

    private static func start(_ r: SafetensorsFile, _ i: Int) throws -> Region.Start {
      let points = try r.readAll(try #require(r.info("points.\(i)"))).map { Int($0) }
      let starts = try r.readAll(try #require(r.info("starts.\(i)"))).map { Int($0) }
      return .init(
        points: stride(from: 0, to: points.count, by: 2).map { (points[$0], points[$0 + 1]) }, first: (starts[0], starts[1]))
    }

    func recorded(_ key: String) throws -> [Float] { try reference.readAll(try #require(reference.info(key))) }
  }

  private func relative(_ a: [Float], _ b: [Float]) -> Float {
    guard a.count == b.count else { return .infinity }
    let difference = zip(a, b).reduce(Float(0)) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    return (difference / b.reduce(Float(0)) { $0 + $1 * $1 }).squareRoot()
  }

  private func values(_ x: Tensor) -> [Float] { Array(UnsafeBufferPointer(start: x.data, count: x.count)) }

  @Test(arguments: ["ferret_v1", "ferret_ui", "ferret_v2"]) func everyStageGivesPyTorchsNumbers(_ name: String) throws {
    let c = try Case(name)
    let tokens = Array(UnsafeBufferPointer(start: c.image.data, count: c.image.tokens * c.image.hiddenSize))
    #expect(relative(tokens, try c.recorded("embeddings")) < 1e-5)
    let map = try #require(c.image.map)
    #expect(relative(values(map.values), try c.recorded("map")) < 1e-5)

    let sampler = try #require(c.model.system.vision.regionEncoder)
    let context = Context(kernels: KernelTable.best(), pool: c.model.pool)
    var vectors: [Float] = []
    for region in c.regions {
      let area = try RegionArea(region, width: c.image.width, height: c.image.height, name: "r")
      vectors += values(try sampler(map, area.samplePoints(region, stages: RegionSampler.stageInputs, name: "r"), context))
    }
    #expect(c.regions.count == 3)
    #expect(relative(vectors, try c.recorded("vectors")) < 1e-5)

    let session = try Session(c.model)
    var logits: [Float] = []
    try session.logits(prompt: c.prompt, images: [c.image], regions: c.regions, options: .raw) { x, _ in logits = Array(x) }
    #expect(relative(logits, try c.recorded("logits")) < 1e-5)
    var options = GenerateOptions()
    options.maxTokens = 32
    options.ignoresEnd = true
    options.isRaw = true
    let answer = try session.generate(prompt: c.prompt, images: [c.image], regions: c.regions, options: options)
    #expect(answer.ids == (try c.recorded("greedy").map { Int32($0) }))
  }

  @Test func smallerTypesStayClose() throws {
    let c = try Case("ferret_v2", .int8)
    var logits: [Float] = []
    try Session(c.model).logits(prompt: c.prompt, images: [c.image], regions: c.regions, options: .raw) { x, _ in logits = Array(x) }
    // Random weights 16 wide are harder to quantize than trained ones.
    #expect(relative(logits, try c.recorded("logits")) < 0.1)
  }

  @Test func coordinatesAreNotRepeatedAndTheTokenAloneTakesARegion() throws {
    let c = try Case("ferret_v1")
    let session = try Session(c.model)
    func logits(_ prompt: String, _ regions: [Region]) throws -> [Float] {
      var found: [Float] = []
      try session.logits(prompt: Array(prompt.utf8), images: [c.image], regions: regions, options: .raw) { x, _ in found = Array(x) }
      return found
    }
    let region = [c.regions[1]]
    let place = String(
      decoding: CoordinateForm.ferret.text(try RegionArea(region[0], width: c.image.width, height: c.image.height, name: "r")), as: UTF8.self)
    let short = try logits("<image> What is <region>?", region)
    #expect(try logits("<image> What is \(place) <region>?", region) == short)
    #expect(try logits("<image> What is \(place) <region_fea>?", region) == short)
    #expect(try logits("<image> What is <region_fea>?", region).count < short.count)
    for (prompt, regions, words) in [
      ("<image> <region> <region>", region, "2 <region> marks, but 1"), ("<image> what?", region, "0 <region> marks, but 1"),
      ("<image> <region>", [], "1 <region> marks, but 0"), ("<image> <region_fea>", [], "1 <region> marks, but 0"),
    ] {
      let error = #expect(throws: FoveaError.self) { try logits(prompt, regions) }
      #expect(error?.status == .argument && error?.message.contains(words) == true, "\(error?.message ?? "")")
    }
    var elsewhere = c.regions[1]
    elsewhere.image = 1
    #expect(throws: FoveaError.self) { try logits("<image> <region>", [elsewhere]) }
  }

  @Test func anAnswersPlacesComeWithPixelsTokensAndProbabilities() throws {
    let c = try Case("ferret_v1")
    let system = c.model.system
    let ids = try c.model.tokenize(Array("Yes: a red car [100, 150, 300, 200] on it.".utf8))
    var logits = [Float](repeating: 0, count: system.decoder.vocabSize)
    var scratch = [Float](repeating: 0, count: 2 * logits.count)
    let found = scratch.withUnsafeMutableBufferPointer { scratch in
      let reader = LogProbabilities(KernelTable.best(), scratch: scratch)
      for id in ids {
        // The chosen token has e times the weight of every other.
        for i in logits.indices { logits[i] = i == Int(id) ? 1 : 0 }
        logits.withUnsafeMutableBufferPointer { reader.observe($0) }
        reader.append(id)
      }
      return reader.values
    }
    let each = 1 - log(exp(1) + Double(logits.count - 1))
    #expect(found.allSatisfy { abs(Double($0) - each) < 1e-5 })
    let places = GroundedPlace.places(in: ids, found, system, c.image)
    #expect(places.count == 1)
    let place = try #require(places.first)
    #expect(String(decoding: place.phrase, as: UTF8.self) == "a red car")
    let (w, h) = (Double(c.image.width), Double(c.image.height))
    #expect([place.x1, place.y1, place.x2, place.y2] == [100 * w / 1000, 150 * h / 1000, 300 * w / 1000, 200 * h / 1000])
    let text = String(decoding: try c.model.detokenize(Array(ids[place.tokens])), as: UTF8.self)
    #expect(text.contains("a red car [100, 150, 300, 200]") && text.utf8.count < 36, "\(text)")
    #expect(abs(place.logProbability - each * Double(place.tokens.count)) < 1e-4)

    // And through a session: one for each token, the first as the logits say.
    var options = GenerateOptions()
    options.maxTokens = 4
    options.isRaw = true
    options.ignoresEnd = true
    let session = try Session(c.model)
    let answer = try session.generate(prompt: Array("<image> what".utf8), images: [c.image], options: options)
    #expect(answer.logProbabilities.count == 4)
    try session.logits(prompt: Array("<image> what".utf8), images: [c.image], options: .raw) { all, rows in
      let last = all.suffix(all.count / rows)
      let peak = Double(last.max() ?? 0)
      let expected = -log(last.reduce(0.0) { $0 + exp(Double($1) - peak) })
      #expect(abs(Double(answer.logProbabilities.first ?? 0) - expected) < 1e-4)
    }
  }

  @Test func differencesAreAddedToTheirBase() throws {
    // A difference of zero from itself, and a base with fewer rows: the sums are twice the numbers, the last row once.
    let folder = try TemporaryFolder(copyOf: Fixture.checkpoint("ferret_v1"))
    let open = try OpenCheckpoint(path: folder.path, base: Fixture.checkpoint("ferret_v1"))
    let plain = try SafetensorsFile(path: folder.path + "/model.safetensors")
    for name in ["model.layers.1.mlp.down_proj.weight", "model.mm_projector.weight", "lm_head.weight"] {
      let info = try #require(plain.info(name))
      let (sum, own) = (try open.source.readAll(info), try plain.readAll(info))
      #expect(sum == own.map { 2 * $0 }, "\(name)")
    }
    // What the base lacks must be one of the multimodal modules.
    let base = try TemporaryFolder(copyOf: Fixture.checkpoint("ferret_v1"))
    var bytes = try base.read("model.safetensors")
    let range = try #require(bytes.firstRange(of: Array("\"model.norm.weight\"".utf8)))
    bytes.replaceSubrange(range, with: Array("\"model.narm.weight\"".utf8))
    try base.write("model.safetensors", bytes)
    expectFailure("unknown tensors (1)", "model.norm.weight") { _ = try OpenCheckpoint(path: folder.path, base: base.path) }
  }

  @Test(arguments: [
    ("\"im_region_fea_token\": ", "\"im_region_fea_token\": 9", "im_region_fea_token"),
    ("\"mm_patch_merge_type\": \"spatial\"", "\"mm_patch_merge_type\": \"unpad\"", "mm_patch_merge_type"),
    ("\"tile_side\": 42", "\"tile_side\": 43", "tile_side"), ("\"global_side\": 56", "\"global_side\": 70", "global_side"),
    ("\"mm_vision_tower_local\": \"dino-tiny\"", "\"mm_vision_tower_local\": \"..\"", "mm_vision_tower_local"),
    ("\"mm_hidden_size_local\": 16", "\"mm_hidden_size_local\": 17", "mm_hidden_size_local"),
    ("\"sampler_pooler_mode\": \"max\"", "\"sampler_pooler_mode\": \"min\"", "sampler_pooler_mode"),
  ])
  func configFaultsAreNamed(_ old: String, _ new: String, _ word: String) throws {
    let folder = try TemporaryFolder(copyOf: Fixture.checkpoint(word == "mm_patch_merge_type" ? "ferret_ui" : "ferret_v2"))
    let text = String(decoding: try folder.read("config.json"), as: UTF8.self)
    try #require(text.contains(old))
    try folder.write("config.json", text.replacing(old, with: new))
    expectFailure(word) { _ = try SystemDescription(OpenCheckpoint(path: folder.path)) }
  }
}
