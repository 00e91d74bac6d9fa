// SPDX-License-Identifier: Apache-2.0
import Shims

/// A Hugging Face style folder: config.json, weights in one file or in shards, tokenizer and preprocessing files.
package struct CheckpointDirectory {
  package let path: String

  /// - Throws: `.cannotRead` when it is not a folder.
  package init(path: String) throws {
    var status = stat()
    guard stat(path, &status) == 0 else { throw MappedFile.failure(path) }
    guard status.st_mode & mode_t(S_IFMT) == mode_t(S_IFDIR) else {
      throw ConversionError.cannotRead(path: path, reason: "not a folder")
    }
    self.path = path
  }

  /// The folder's own name: what a model is called when nothing else is known. Never a path.
  package var name: String {
    guard let full = realpath(path, nil) else { return "" }
    defer { free(full) }
    return String(cString: full).split(separator: "/").last.map(String.init) ?? ""
  }

  package func file(_ name: String) -> String? {
    let full = path + "/" + name
    return access(full, F_OK) == 0 ? full : nil
  }

  /// A sub-folder with a config.json.
  package func folder(_ name: String) -> CheckpointDirectory? {
    guard !name.isEmpty, let folder = try? CheckpointDirectory(path: path + "/" + name), folder.file("config.json") != nil else {
      return nil
    }
    return folder
  }

  package func config() throws -> ConfigReader {
    guard let reader = try json("config.json") else { throw ConversionError.missingFile(directory: path, looked: ["config.json"]) }
    return reader
  }

  /// An optional JSON object.
  package func json(_ name: String) throws -> ConfigReader? {
    guard let full = file(name) else { return nil }
    let value = try JSONValue.read(full)
    guard value.members != nil else { throw ConversionError.malformed(file: name, detail: "not a JSON object") }
    return ConfigReader(file: name, value: value)
  }

  private static let single = ["model.safetensors", "pytorch_model.bin"]
  private static let sharded = ["model.safetensors.index.json", "pytorch_model.bin.index.json"]

  package var hasWeights: Bool { (Self.single + Self.sharded).contains { file($0) != nil } }

  /// All tensors of the folder: safetensors before pickles, a sharded set before a single file of the same kind.
  package func weights() throws -> any TensorSource {
    for (index, whole) in zip(Self.sharded, Self.single) {
      if file(index) != nil { return try shards(index) }
      if let full = file(whole) { return try Self.open(full) }
    }
    throw ConversionError.missingFile(directory: path, looked: Self.single + Self.sharded)
  }

  /// Opens one weight file by what it is called.
  package static func open(_ path: String) throws -> any TensorSource {
    path.hasSuffix(".safetensors") ? try SafetensorsFile(path: path) : try TorchFile(path: path)
  }

  private func shards(_ index: String) throws -> any TensorSource {
    guard let map = try json(index)?.object("weight_map").value.members else { return CombinedSource() }
    var files: [String: any TensorSource] = [:]
    var order: [String] = []
    var missing: [String] = []
    for (name, value) in map {
      guard let shard = value.string, !shard.isEmpty, !shard.contains("/"), !shard.hasPrefix(".") else {
        throw ConversionError.malformed(file: index, detail: "weight_map.\(name) is not a file name")
      }
      if files[shard] == nil {
        guard let full = file(shard) else { throw ConversionError.missingFile(directory: path, looked: [shard]) }
        files[shard] = try Self.open(full)
        order.append(shard)
      }
      if files[shard]?.info(name) == nil { missing.append("\(name) (\(shard))") }
    }
    guard missing.isEmpty else { throw ConversionError.tensors(missing: missing, unknown: [], misshapen: []) }
    let combined = CombinedSource()
    for shard in order.sorted() {
      if let source = files[shard] { try combined.add(source) }
    }
    return combined
  }
}
