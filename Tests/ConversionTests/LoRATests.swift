// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Conversion
import Testing

@Suite struct LoRATests {
  private func folder(changing config: (String) -> String = { $0 }) throws -> TemporaryFolder {
    let folder = try TemporaryFolder(copyOf: Fixture.path("lora"))
    try folder.write("adapter_config.json", config(String(decoding: folder.read("adapter_config.json"), as: UTF8.self)))
    return folder
  }

  /// The second time a pattern follows that would suit the same module: as in PEFT the first counts.
  @Test(arguments: ["6", #"6, "q_proj": 16"#]) func mergesAsNumPyDoes(alpha: String) throws {
    let folder = try folder { $0.replacing("q_proj\": 6", with: "q_proj\": \(alpha)") }
    let source = try LoRADirectory(path: folder.path).merged(into: SafetensorsFile(path: folder.path + "/base.safetensors"))
    let merged = try SafetensorsFile(path: folder.path + "/merged.safetensors")
    #expect(Set(source.tensors.map(\.name)) == Set(merged.tensors.map(\.name)))
    for info in merged.tensors {
      let found = try source.readAll(try #require(source.info(info.name)))
      let expected = try merged.readAll(info)
      // Four products of normal numbers summed in single precision.
      #expect(zip(found, expected).allSatisfy { abs($0 - $1) <= 1e-5 * max(1, abs($1)) }, "\(info.name)")
    }
  }

  @Test func readsAnyRows() throws {
    let folder = try folder()
    let source = try LoRADirectory(path: folder.path).merged(into: SafetensorsFile(path: folder.path + "/base.safetensors"))
    let name = "model.layers.1.self_attn.q_proj.weight"
    let whole = try source.readAll(try #require(source.info(name)))
    var part = [Float](repeating: 0, count: 36)
    try part.withUnsafeMutableBufferPointer { try source.read(name, rows: 7..<10, into: try #require($0.baseAddress)) }
    #expect(part == Array(whole[84..<120]))
  }

  @Test func namesAdapterTensorsThatFitNothing() throws {
    let folder = try folder()
    let header = #"{"model.norm.weight":{"dtype":"F32","shape":[12],"data_offsets":[0,48]}}"#
    let base = try folder.write("other.safetensors", safetensors(header, dataCount: 48))
    expectFailure(
      "unknown tensors (2)", "model.layers.0.self_attn.q_proj.lora_A.weight", "model.layers.1.self_attn.q_proj.lora_A.weight"
    ) {
      _ = try LoRADirectory(path: folder.path).merged(into: SafetensorsFile(path: base))
    }
  }

  @Test func refusesOtherKindsOfAdapter() throws {
    for (change, words) in [
      ("\"IA3\"", "IA3"), ("\"LORA\", \"use_dora\": true", "use_dora"),
      ("\"LORA\", \"init_lora_weights\": \"pissa_niter_4\"", "path_initial_model_for_weight_conversion"),
      ("\"LORA\", \"init_lora_weights\": \"olora\"", "olora"), ("\"LORA\", \"init_lora_weights\": \"loftq\"", "loftq"),
      ("\"LORA\", \"layer_replication\": [[0, 4]]", "layer_replication"),
    ] {
      let folder = try folder { $0.replacing("\"LORA\"", with: change) }
      expectFailure(words) {
        _ = try LoRADirectory(path: folder.path).merged(into: SafetensorsFile(path: folder.path + "/base.safetensors"))
      }
    }
  }

  @Test func aLoneAdapterAsksForItsBase() {
    expectFailure("--base") { _ = try OpenCheckpoint(path: Fixture.path("lora")) }
  }
}
