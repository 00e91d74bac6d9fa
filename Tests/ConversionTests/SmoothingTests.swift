// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Conversion
import Families
import Generation
import Images
import Quantization
import Testing
import WeightFile

/// Outliers put into a checkpoint in ways that keep what it computes.
@Suite struct SmoothingTests {
  /// The fixture "llava" with some channels of each norm times `norms`, some units of each MLP (of the tower's GELU about, of the decoder's second
  /// half exactly) times `units`, and the columns behind them divided by as much.
  private func checkpoint(norms: Float = 1, units: Float = 1) throws -> TemporaryFolder {
    let folder = try TemporaryFolder(copyOf: Fixture.checkpoint("llava"))
    let file = try SafetensorsFile(path: folder.path + "/model.safetensors")
    let channels: Set = [3, 7, 17]
    var entries: [String] = []
    var bytes: [UInt8] = []
    for info in file.tensors {
      var values = try file.readAll(info)
      let width = info.shape.last ?? 1
      func times(_ factor: Float) {
        for i in values.indices where channels.contains(i % width) { values[i] *= factor }
      }
      func rows(times factor: Float) {
        let size = info.shape.dropFirst().first ?? 1
        for i in values.indices where channels.contains(i / size) { values[i] *= factor }
      }
      if ["layer_norm1", "layer_norm2", "input_layernorm", "post_attention_layernorm"].contains(where: { info.name.contains($0) }) { times(norms) }
      if ["fc1.weight", "fc1.bias", "up_proj.weight"].contains(where: info.name.hasSuffix) { rows(times: units) }
      if ["fc2.weight", "down_proj.weight"].contains(where: info.name.hasSuffix) { times(1 / units) }
      let behind = ["q_proj.weight", "k_proj.weight", "v_proj.weight", "fc1.weight", "gate_proj.weight", "up_proj.weight"]
      if behind.contains(where: info.name.hasSuffix) { times(1 / norms) }
      let end = bytes.count + 4 * values.count
      entries.append(
        #""\#(info.name)":{"dtype":"F32","shape":[\#(info.shape.map(String.init).joined(separator: ","))],"data_offsets":[\#(bytes.count),\#(end)]}"#)
      values.withUnsafeBytes { bytes += $0 }
    }
    let header = Array("{\(entries.joined(separator: ","))}".utf8)
    let size = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) }
    try folder.write("model.safetensors", size + header + bytes)
    return folder
  }

  private func embedding(_ folder: TemporaryFolder, _ type: ModelType) throws -> [Float] {
    var options = Converter.Options()
    options.type = type
    let path = folder.path + "/\(type.rawValue).fovea"
    _ = try Converter(OpenCheckpoint(path: folder.path), options: options).write(to: path)
    let model = try Model.load(path: path, options: LoadOptions())
    let image = try model.encode(RGBImage.decode(path: Fixture.path("checkpoints/llava/image.png")))
    return Array(UnsafeBufferPointer(start: image.data, count: image.tokens * image.hiddenSize))
  }

  private func difference(_ a: [Float], _ b: [Float]) -> Float {
    let squared = zip(a, b).reduce(Float(0)) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    return (squared / b.reduce(Float(0)) { $0 + $1 * $1 }).squareRoot()
  }

  /// The error of int8 stays what the plain checkpoint has, whatever the channels' factor.
  @Test func largeNormChannelsCostInt8Nothing() throws {
    let plain = try checkpoint()
    let exact = try embedding(plain, .f32)
    let usual = try difference(embedding(plain, .int8), exact)
    for factor: Float in [20, 60, 200] {
      let injected = try checkpoint(norms: factor)
      // The function is kept, and f32 files are written as they are.
      #expect(try difference(embedding(injected, .f32), exact) < 1e-4)
      let found = try difference(embedding(injected, .int8), exact)
      #expect(found < 1.3 * usual, "× \(factor): \(found), \(usual) without")
    }
  }

  /// Units that are much larger than others: what the tower computes is another function (its activation is not linear), so each has its own truth.
  @Test func largeUnitsCostInt8Little() throws {
    let plain = try checkpoint()
    let usual = try difference(embedding(plain, .int8), embedding(plain, .f32))
    for factor: Float in [20, 100, 200] {
      let injected = try checkpoint(units: factor)
      let found = try difference(embedding(injected, .int8), embedding(injected, .f32))
      #expect(found < 1.3 * usual, "× \(factor): \(found), \(usual) without")
      // Only the tower's contractions have factors: the decoder's MLP is linear in its second half.
      let file = try WeightFile(path: injected.path + "/int8.fovea")
      let factors = file.records.filter { $0.name.hasSuffix(".inputFactors") }
      #expect(!factors.isEmpty && factors.allSatisfy { $0.name.hasPrefix("vision.") && $0.name.hasSuffix(".mlp.contract.inputFactors") })
      #expect(file.formatVersion == 3)
    }
  }
}
