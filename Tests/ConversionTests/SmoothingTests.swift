// SPDX-License-Identifier: Apache-2.0
import Conversion
import Families
import Generation
import Images
import Testing

/// Outliers put into a checkpoint in ways that keep what it computes.
@Suite struct SmoothingTests {
  /// The fixture "llava" with some channels of each norm times `factor` and the columns behind them divided by it.
  private func checkpoint(norms factor: Float) throws -> TemporaryFolder {
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
      if ["layer_norm1", "layer_norm2", "input_layernorm", "post_attention_layernorm"].contains(where: { info.name.contains($0) }) { times(factor) }
      let behind = ["q_proj.weight", "k_proj.weight", "v_proj.weight", "fc1.weight", "gate_proj.weight", "up_proj.weight"]
      if behind.contains(where: info.name.hasSuffix) { times(1 / factor) }
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
    let plain = try checkpoint(norms: 1)
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
}
