// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Conversion
import Generation
import Images
import Quantization
import Runtime
import Testing
import WeightFile

@Suite struct ImportanceTests {
  private let matrix = "language.layers.1.mlp.gateUp.weight"

  /// Answers the fixture's prompt with an f32 file and writes what was measured.
  private func calibrate(_ folder: TemporaryFolder, block: Int = 0) throws -> (path: String, left: [String]) {
    var options = Converter.Options()
    options.type = .f32
    let file = folder.path + "/f32.fovea"
    _ = try Converter(OpenCheckpoint(path: Fixture.checkpoint("monkey")), options: options).write(to: file)
    let statistics = InputStatistics(block: block)
    let model = try Model.load(path: file, options: LoadOptions(statistics: statistics))
    let image = try model.encode(RGBImage.decode(path: Fixture.path("checkpoints/monkey/image.png")))
    let prompt = try MappedFile(path: Fixture.path("checkpoints/monkey/prompt.txt")).contents
    var generate = GenerateOptions()
    generate.maxTokens = 4
    generate.isRaw = true
    _ = try Session(model).generate(prompt: prompt, images: [image], options: generate)
    let path = folder.path + "/importance.safetensors"
    return (path, try ImportanceFile.write(statistics, of: model.matrices, model: "a \"name\"", to: path))
  }

  @Test func everyMatrixThatWorkedIsMeasured() throws {
    let folder = try TemporaryFolder()
    let (path, left) = try calibrate(folder, block: 8)
    // Looked up or added, never multiplied with.
    #expect(left == ["language.embedding.weight"] || left == ["language.embedding"], "\(left)")
    let importance = try ImportanceFile(path: path)
    let tower = importance.matrices.filter { $0.hasPrefix("vision.") }
    #expect(!tower.isEmpty && importance.matrices.contains(matrix))
    let squares = try #require(try importance.meanSquares(of: matrix))
    #expect(squares.contains { $0 > 0 })
    let moments = try #require(try importance.moments(of: matrix))
    #expect(moments.count == 8 * squares.count)
    for i in squares.indices {
      #expect(abs(moments[8 * i + i % 8] - squares[i]) <= 1e-4 * squares[i])
      for j in i / 8 * 8..<i { #expect(moments[8 * i + j % 8] == moments[8 * j + i % 8]) }
    }
    #expect(folder.files == ["f32.fovea", "importance.safetensors"])
  }

  @Test func conversionWeighsErrorsByIt() throws {
    let folder = try TemporaryFolder()
    let (path, _) = try calibrate(folder)
    var reports: [[Converter.TensorReport]] = []
    for importance in [nil, try ImportanceFile(path: path)] {
      var options = Converter.Options()
      options.type = .int4
      options.importance = importance
      let converter = try Converter(OpenCheckpoint(path: Fixture.checkpoint("monkey")), options: options)
      reports.append(try converter.write(to: folder.path + "/int4.fovea"))
    }
    let (plain, weighted) = (reports[0].first { $0.name == matrix }, reports[1].first { $0.name == matrix })
    let (a, b) = (try #require(plain), try #require(weighted))
    #expect(a.encoding == .n4x16 && b.encoding == .n4x16 && !a.isWeighted && b.isWeighted)
    #expect(a.byteCount == b.byteCount && a.bitsPerWeight > 4 && a.error.largest > 0)
    // Without importance both errors are the same; with it the plain one grows.
    #expect(a.error.relative == a.error.weightedRelative && b.error.relative > a.error.relative)
    #expect(b.error.weightedRelative < b.error.relative)
  }

  @Test func anotherModelsFileIsRefused() throws {
    let folder = try TemporaryFolder()
    let (path, _) = try calibrate(folder)
    var options = Converter.Options()
    options.importance = try ImportanceFile(path: path)
    expectFailure("importance.safetensors", "vision.") {
      _ = try Converter(OpenCheckpoint(path: Fixture.checkpoint("llava")), options: options)
    }
  }

  @Test func nothingMeasuredIsNoFile() throws {
    let folder = try TemporaryFolder()
    expectFailure("nothing was measured") {
      _ = try ImportanceFile.write(InputStatistics(), of: [], model: "", to: folder.path + "/i.safetensors")
    }
    #expect(folder.files.isEmpty)
  }

  @Test(arguments: [
    (#"{}"#, 0, "holds no matrix"),
    (#"{"model.norm.weight":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 8, "no place in an importance file"),
    (#"{"a.rows":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}"#, 8, "a.rows"),
    (#"{"a.meanSquares":{"dtype":"F16","shape":[4],"data_offsets":[0,8]}}"#, 8, "a.meanSquares is f16 [4]"),
    (#"{"a.meanSquares":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#, 0, "a.meanSquares"),
    (#"{"a.meanSquares":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}"#, 8, "a.meanSquares"),
    (
      #"{"a.meanSquares":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a.moments":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}"#,
      16, "a.moments is f32 [2]"
    ),
    (#"{"a.meanSquares":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}"#, 16, "past the end"),
  ])
  func refusesOtherTensors(_ header: String, _ bytes: Int, _ words: String) throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("i.safetensors", safetensors(header, dataCount: bytes))
    expectFailure("i.safetensors", words) { _ = try ImportanceFile(path: path) }
  }

  @Test(arguments: [Float(-1), .nan, .infinity]) func refusesNumbersThatNoMeanOfSquaresIs(_ value: Float) throws {
    let folder = try TemporaryFolder()
    var bytes = safetensors(#"{"a.meanSquares":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, dataCount: 4)
    bytes.append(little: value.bitPattern)
    let file = try ImportanceFile(path: folder.write("i.safetensors", bytes))
    expectFailure("a.meanSquares", "no mean of squares") { _ = try file.meanSquares(of: "a") }
    #expect(try file.moments(of: "a") == nil && file.meanSquares(of: "b") == nil)
  }
}
