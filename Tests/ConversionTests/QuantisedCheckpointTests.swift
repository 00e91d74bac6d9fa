// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Conversion
import Families
import Foundation
import Generation
import Images
import Quantization
import Testing

/// FP8 and compressed-tensors checkpoints against what compressed-tensors and PyTorch make of them (tools/reference/make_quantised.py).
@Suite struct QuantisedCheckpointTests {
  private func folder(_ name: String) throws -> TemporaryFolder { try TemporaryFolder(copyOf: Fixture.path("quantised/\(name)")) }

  @Test(arguments: ["compressed_tensors", "fp8"]) func weightsAreTheReferencesBitForBit(_ name: String) throws {
    let path = Fixture.path("quantised/\(name)")
    let source = try CheckpointDirectory(path: path).weights()
    let expected = try SafetensorsFile(path: path + "/expected.safetensors")
    // Scales and the like are not left over.
    #expect(Set(source.tensors.map(\.name)) == Set(expected.tensors.map(\.name)))
    for wanted in expected.tensors {
      let found = try #require(source.info(wanted.name))
      #expect(found.shape == wanted.shape && found.type.isFloat, "\(wanted.name)")
      #expect(try source.readAll(found) == expected.readAll(wanted), "\(wanted.name)")
      // Some rows, as the converter reads them.
      let rows = wanted.rows / 2..<wanted.rows
      var part = [Float](repeating: 0, count: rows.count * wanted.rowSize)
      try part.withUnsafeMutableBufferPointer { try source.read(wanted.name, rows: rows, into: #require($0.baseAddress)) }
      #expect(try part == Array(expected.readAll(wanted).suffix(part.count)), "\(wanted.name)")
    }
  }

  /// The small checkpoint `name`, its decoder's matrices replaced by those of `file` among the quantised fixtures.
  private func system(_ name: String, with file: String, _ more: String = "") throws -> TemporaryFolder {
    let folder = try TemporaryFolder(copyOf: Fixture.checkpoint(name))
    let whole = try SafetensorsFile(path: folder.path + "/model.safetensors")
    let replaced = try SafetensorsFile(path: Fixture.path("quantised/\(name)/expected.safetensors"))
    #expect(replaced.tensors.allSatisfy { whole.info($0.name)?.shape == $0.shape })
    var rest: [String: (shape: [Int], values: [Float])] = [:]
    for info in whole.tensors where replaced.info(info.name) == nil { rest[info.name] = (info.shape, try whole.readAll(info)) }
    try FileManager.default.removeItem(atPath: folder.path + "/model.safetensors")
    try folder.write("model-00001-of-00002.safetensors", safetensors(rest))
    try folder.write("model-00002-of-00002.safetensors", MappedFile(path: Fixture.path("quantised/\(name)/\(file).safetensors")).contents)
    let config = String(decoding: try folder.read("config.json"), as: UTF8.self)
    try folder.write("config.json", "{\(more)" + config.drop { $0 != "{" }.dropFirst())
    return folder
  }

  private struct Answer: Equatable {
    var vectors: [Float] = [], logits: [Float] = [], ids: [Int32] = []
  }

  private func answer(_ folder: TemporaryFolder, _ type: ModelType) throws -> Answer {
    var options = Converter.Options()
    options.type = type
    _ = try Converter(OpenCheckpoint(path: folder.path), options: options).write(to: folder.path + "/m.fovea")
    let model = try Model.load(path: folder.path + "/m.fovea", options: LoadOptions())
    let picture = try RGBImage(width: 90, height: 60, colour: .white)
    for i in 0..<60 { picture[i, i] = RGBColour(UInt8(4 * i), 0, UInt8(i)) }
    let image = try model.encode(picture)
    var answer = Answer(vectors: Array(UnsafeBufferPointer(start: image.data, count: image.tokens * image.hiddenSize)))
    let prompt = Array("<image>12 red triangles".utf8)
    try Session(model).logits(prompt: prompt, images: [image], options: .raw) { values, _ in answer.logits += values }
    var generation = GenerateOptions()
    (generation.maxTokens, generation.ignoresEnd, generation.isRaw) = (16, true, true)
    answer.ids = try Session(model).generate(prompt: prompt, images: [image], options: generation).ids
    return answer
  }

  /// int4 in groups by compressed-tensors and FP8 in blocks, experts among them.
  @Test(arguments: ["smolvlm", "deepseek_ocr"], [ModelType.f32, .int4])
  func aQuantisedSystemAnswersAsTheFloatsItStandsFor(_ name: String, _ type: ModelType) throws {
    let config = String(decoding: try MappedFile(path: Fixture.path("quantised/\(name)/config.json")).contents, as: UTF8.self)
    let inside = config.trimmingCharacters(in: .whitespacesAndNewlines).dropFirst().dropLast()
    let quantised = try answer(system(name, with: "model", inside + ","), type)
    let floats = try answer(system(name, with: "expected"), type)
    #expect(quantised.ids.count == 16 && !quantised.logits.isEmpty && !quantised.vectors.isEmpty)
    #expect(quantised == floats)
  }

  private func refused(_ config: String, _ words: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let folder = try TemporaryFolder(copyOf: Fixture.checkpoint("llava"))
    let old = String(decoding: try folder.read("config.json"), as: UTF8.self)
    try folder.write("config.json", "{\"quantization_config\": \(config), " + old.drop { $0 != "{" }.dropFirst())
    expectFailure(words, sourceLocation: sourceLocation) { _ = try OpenCheckpoint(path: folder.path) }
  }

  @Test func otherKindsAreNamed() throws {
    func compressed(_ more: String) -> String { #"{"quant_method": "compressed-tensors", \#(more)}"# }
    try refused(compressed(#""format": "nvfp4-pack-quantized""#), "nvfp4-pack-quantized")
    try refused(compressed(#""format": "mixed-precision", "config_groups": {"a": {"format": "marlin-24"}}"#), "marlin-24")
    try refused(compressed(#""sparsity_config": {"format": "sparse-24-bitmask"}"#), "sparse-24-bitmask")
    try refused(compressed(#""transform_config": {"config_groups": {"R1": {}}}"#), "rotations")
    try refused(compressed(#""config_groups": {"a": {"weights": {"num_bits": 16}}}"#), "num_bits")
    try refused(#"{"quant_method": "modelopt", "quant_algo": "NVFP4"}"#, "NVFP4")
    try refused(#"{"quant_method": "fp8", "weight_block_size": [0, 128]}"#, "weight_block_size")
    try refused(#"{}"#, "an unnamed method")
  }

  @Test func scalesThatFitNothingAreNamed() throws {
    func broken(_ name: String, _ old: String, _ new: String, _ words: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
      let folder = try folder(name)
      for file in ["config.json", "model.safetensors"] {
        let bytes = try folder.read(file)
        guard let found = bytes.firstRange(of: Array(old.utf8)) else { continue }
        try folder.write(file, bytes[..<found.lowerBound] + Array(new.utf8) + bytes[found.upperBound...])
      }
      expectFailure(words, sourceLocation: sourceLocation) { _ = try CheckpointDirectory(path: folder.path).weights() }
    }
    try broken("fp8", "\"weight_block_size\": [\n      16", "\"weight_block_size\": [\n      12", "blocks.weight_scale_inv")
    try broken("compressed_tensors", "w8.weight_scale", "w8.weight_scalx", "w8.weight_scale")
    try broken("compressed_tensors", "four.weight_shape", "four.weight_shapx", "four.weight_shape")
    let zero = "three.weight_zero_point\":{\"dtype\":"
    try broken("compressed_tensors", zero + "\"I32\"", zero + "\"F32\"", "three.weight_zero_point")
    try broken("compressed_tensors", "\"num_bits\": 3", "\"num_bits\": 5", "three.weight_packed")
  }

  @Test func everyCodeOfFP8IsItsNumber() throws {
    for (type, expected) in [
      ("F8_E4M3", [0x00: 0, 0x01: 0x1p-9, 0x07: 7 * 0x1p-9, 0x08: 0x1p-6, 0x38: 1, 0x7E: 448, 0x80: -0.0, 0xFE: -448]),
      ("F8_E5M2", [0x01: 0x1p-16, 0x3C: 1, 0x7B: 57344, 0x7C: Float.infinity, 0xBC: -1]),
      ("F8_E8M0", [0x00: 0x1p-127, 0x01: 0x1p-126, 0x7F: 1, 0xFE: 0x1p127]),
    ] as [(String, [Int: Float])] {
      let folder = try TemporaryFolder()
      let header = "{\"a\":{\"dtype\":\"\(type)\",\"shape\":[256],\"data_offsets\":[0,256]}}"
      let path = try folder.write("m.safetensors", safetensors(header, dataCount: 0) + (0...255).map { UInt8($0) })
      let file = try SafetensorsFile(path: path)
      let values = try file.readAll(try #require(file.info("a")))
      for (code, value) in expected { #expect(values[code] == value && values[code].sign == value.sign, "\(type) \(code)") }
      #expect(values[255].isNaN, "\(type)")
    }
  }
}
