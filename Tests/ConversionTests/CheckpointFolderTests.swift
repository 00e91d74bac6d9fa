// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Conversion
import Foundation
import Testing

/// Folders as people have them on their disks: caches, half a download, another program's files.
@Suite struct CheckpointFolderTests {
  private let header = #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#
  private func header(_ name: String) -> String { header.replacing("\"a\"", with: "\"\(name)\"") }

  private func link(_ folder: TemporaryFolder, _ name: String) throws {
    try FileManager.default.createDirectory(atPath: folder.path + "/" + name, withIntermediateDirectories: true)
  }

  @Test func takesTheSnapshotOfACacheFolder() throws {
    let folder = try TemporaryFolder()
    try link(folder, "refs")
    try link(folder, "snapshots/abc123")
    try folder.write("refs/main", "abc123\n")
    #expect(try CheckpointDirectory(path: folder.path).path.hasSuffix("snapshots/abc123"))
    try folder.write("refs/main", "../../etc")
    expectFailure("refs/main", "snapshot") { _ = try CheckpointDirectory(path: folder.path) }
    // Fetched by a revision: there is no refs/main.
    try FileManager.default.removeItem(atPath: folder.path + "/refs/main")
    #expect(try CheckpointDirectory(path: folder.path).path.hasSuffix("snapshots/abc123"))
    try link(folder, "snapshots/def456")
    expectFailure("2 snapshots") { _ = try CheckpointDirectory(path: folder.path) }
  }

  @Test func aRepositorysNameFindsItsSnapshot() throws {
    let hub = try TemporaryFolder()
    try link(hub, "models--acme--tiny-vlm/refs")
    try link(hub, "models--acme--tiny-vlm/snapshots/abc123")
    try hub.write("models--acme--tiny-vlm/refs/main", "abc123")
    let found = try CheckpointDirectory(path: "acme/tiny-vlm", hub: hub.path)
    #expect(found.path.hasSuffix("models--acme--tiny-vlm/snapshots/abc123") && found.name == "tiny-vlm")
    expectFailure("acme/other", hub.path, "hf download acme/other") { _ = try CheckpointDirectory(path: "acme/other", hub: hub.path) }
  }

  @Test func theCacheIsWhereTheEnvironmentSays() {
    func path(_ variables: [String: String]) -> String? { HubCache.path { variables[$0] } }
    #expect(path(["HF_HUB_CACHE": "/a", "HF_HOME": "/b", "HOME": "/c"]) == "/a")
    #expect(path(["HF_HUB_CACHE": "", "HF_HOME": "~/b", "HOME": "/c"]) == "/c/b/hub")
    #expect(path(["XDG_CACHE_HOME": "/x", "HOME": "/c"]) == "/x/huggingface/hub")
    #expect(path(["HOME": "/c"]) == "/c/.cache/huggingface/hub")
    #expect(path([:]) == nil)
  }

  @Test func aHubNameIsToldFromAPath() {
    expectFailure("llava-hf/llava-1.5-7b-hf", "hf download") { _ = try CheckpointDirectory(path: "llava-hf/llava-1.5-7b-hf") }
    expectFailure("no such file or folder") { _ = try CheckpointDirectory(path: "/nowhere/at/all") }
    expectFailure("no such file or folder") { _ = try CheckpointDirectory(path: "./nowhere") }
  }

  @Test(arguments: [
    ("model.gguf", "GGUF\u{3}\u{0}\u{0}\u{0}", "ends too early"), ("model.bin", "PK\u{3}\u{4}rest", "the folder that it lies in"),
    ("page", "<!DOCTYPE html><html>", "HTML page"), ("pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "git lfs pull"),
  ])
  func aFileInPlaceOfAFolderIsNamed(_ name: String, _ text: String, _ words: String) throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(name, text)
    expectFailure(name, words) { _ = try CheckpointDirectory(path: path) }
  }

  @Test func pointersInPlaceOfWeightsAndConfigsAreNamed() throws {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"
    let folder = try TemporaryFolder()
    try folder.write("model.safetensors", pointer)
    expectFailure("model.safetensors", "git lfs pull") { _ = try CheckpointDirectory(path: folder.path).weights() }
    try folder.write("config.json", pointer)
    expectFailure("config.json", "git lfs pull") { _ = try CheckpointDirectory(path: folder.path).config() }
  }

  @Test func aWholeFileIsTakenBesideAStaleIndex() throws {
    let folder = try TemporaryFolder()
    try folder.write("model.safetensors", safetensors(header, dataCount: 4))
    try folder.write("model.safetensors.index.json", #"{"weight_map":{"b":"model-00001-of-00001.safetensors"}}"#)
    #expect(try CheckpointDirectory(path: folder.path).weights().info("a") != nil)
  }

  @Test func shardsAreReadWithoutTheirIndex() throws {
    let folder = try TemporaryFolder()
    try folder.write("model-00001-of-00002.safetensors", safetensors(header("a"), dataCount: 4))
    #expect(throws: ConversionError.self) { try CheckpointDirectory(path: folder.path).weights() }
    try folder.write("model-00002-of-00002.safetensors", safetensors(header("b"), dataCount: 4))
    #expect(try CheckpointDirectory(path: folder.path).weights().tensors.map(\.name) == ["a", "b"])
  }

  @Test(arguments: ["gptq", "awq", "bitsandbytes"]) func quantisedCheckpointsAreNamed(_ method: String) throws {
    let folder = try TemporaryFolder(copyOf: Fixture.checkpoint("llava"))
    let config = String(decoding: try folder.read("config.json"), as: UTF8.self)
    try folder.write("config.json", "{\"quantization_config\": {\"quant_method\": \"\(method)\"}, " + config.drop { $0 != "{" }.dropFirst())
    expectFailure("quantised by \(method)") { _ = try OpenCheckpoint(path: folder.path) }
  }

  @Test func integersAreNoWeights() throws {
    let folder = try TemporaryFolder(copyOf: Fixture.checkpoint("llava"))
    var bytes = try folder.read("model.safetensors")
    // Two 16-bit types of one size: the file stays sound.
    let name = try #require(["F32", "F16", "BF16"].first { bytes.firstRange(of: Array("\"dtype\":\"\($0)\"".utf8)) != nil })
    let integer = name == "F32" ? "I32" : name == "F16" ? "I16" : "I16 "
    let range = try #require(bytes.firstRange(of: Array("\"dtype\":\"\(name)\"".utf8)))
    bytes.replaceSubrange(range, with: Array("\"dtype\":\"\(integer)\"".utf8).prefix(range.count))
    try folder.write("model.safetensors", bytes)
    expectFailure("codes and no weights") { _ = try SystemDescription(OpenCheckpoint(path: folder.path)) }
  }

  /// transformers 5 nests the image processor in processor_config.json, and looks there first.
  @Test func theImageProcessorMayStandInTheProcessorsConfig() throws {
    let folder = try TemporaryFolder(copyOf: Fixture.checkpoint("llava_hf"))
    let original = try CheckpointDirectory(path: folder.path).imageProcessor()
    let settings = String(decoding: try folder.read("preprocessor_config.json"), as: UTF8.self)
    #expect(original?.file == "preprocessor_config.json")
    try folder.write("processor_config.json", "{\"processor_class\": \"LlavaProcessor\"}")
    #expect(try CheckpointDirectory(path: folder.path).imageProcessor()?.file == "preprocessor_config.json")
    try folder.write("processor_config.json", "{\"image_processor\": \(settings)}")
    try folder.write("preprocessor_config.json", "{\"image_mean\": [0, 0, 0]}")
    let nested = try #require(try CheckpointDirectory(path: folder.path).imageProcessor())
    #expect(nested.file == "processor_config.json")
    #expect(try nested.doubles("image_mean", count: 3) == original?.doubles("image_mean", count: 3))
  }
}
