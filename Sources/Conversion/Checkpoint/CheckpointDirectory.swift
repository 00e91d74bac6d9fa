// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Shims
import WeightFile

/// A Hugging Face style folder: config.json, weights in one file or in shards, tokenizer and preprocessing files. Or a GGUF file, which is
/// presented as such a folder.
package struct CheckpointDirectory {
  package let path: String
  let gguf: GGUFCheckpoint?

  /// - Parameters:
  ///   - path: the folder, or a repository's folder in the Hugging Face cache (`models--org--name`), of which the snapshot of `main` is used,
  ///     or the name of such a repository (`org/name`), or a GGUF file, or a folder with one in it.
  ///   - tower: the GGUF file of the vision tower, where it is not beside the decoder's.
  ///   - hub: the Hugging Face cache.
  /// - Throws: `.cannotRead` when it is neither a folder nor a GGUF file.
  package init(path: String, tower: String? = nil, hub: String? = HubCache.path()) throws {
    var (path, status) = (path, stat())
    if access(path, F_OK) != 0, shims_errno() == ENOENT, Self.isHubName(path), let hub {
      let cached = HubCache.folder(path, in: hub)
      if access(cached, F_OK) == 0 { path = cached }
    }
    guard stat(path, &status) == 0 else {
      if shims_errno() == ENOENT, Self.isHubName(path) {
        throw ConversionError.cannotRead(
          path: path,
          reason: "no such folder, nor is a repository of that name in the Hugging Face cache (\(hub ?? "HOME is not set")); "
            + "fetch it first: hf download \(path), or give --download")
      }
      throw MappedFile.failure(path)
    }
    guard status.st_mode & mode_t(S_IFMT) == mode_t(S_IFDIR) else {
      let kind = try MappedFile(path: path).withBytes { ForeignFile($0) }
      if kind == .gguf {
        let folder = String(path.utf8.lastIndex(of: UInt8(ascii: "/")).map { path[...$0] } ?? ".")
        let found = try GGUFCheckpoint.find(path, names: tower == nil ? Self.names(folder) : [], isFolder: false)
        gguf = try GGUFCheckpoint(path: path, tower: tower ?? found?.tower)
        self.path = path
        return
      }
      throw ConversionError.cannotRead(path: path, reason: "not a folder of a checkpoint" + (kind.map { " but \($0.insteadOfCheckpoint)" } ?? ""))
    }
    let folder = try Self.snapshot(path) ?? path
    self.path = folder
    gguf =
      access(folder + "/config.json", F_OK) == 0
      ? nil
      : try GGUFCheckpoint.find(folder, names: Self.names(folder), isFolder: true).map {
        try GGUFCheckpoint(path: $0.decoder, tower: tower ?? $0.tower)
      }
  }

  /// Whether the text could be a repository's name, `org/name`.
  private static func isHubName(_ path: String) -> Bool {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    return parts.count == 2 && parts.allSatisfy { !$0.isEmpty && $0.first != "." && $0.first != "~" }
  }

  /// The snapshot that `refs/main` names, else the only one; nil: the folder is not from the Hugging Face cache.
  private static func snapshot(_ path: String) throws -> String? {
    let (reference, snapshots) = (path + "/refs/main", path + "/snapshots")
    guard access(snapshots, F_OK) == 0, access(path + "/config.json", F_OK) != 0 else { return nil }
    guard access(reference, F_OK) == 0 else {
      // Downloaded by a revision's hash, without refs/main.
      let names = names(snapshots).filter { !$0.hasPrefix(".") }
      guard names.count == 1 else {
        throw ConversionError.cannotRead(path: path, reason: "\(names.count) snapshots and no refs/main; give one of the folders in snapshots")
      }
      return snapshots + "/" + names[0]
    }
    let revision = try MappedFile(path: reference).withBytes { String(decoding: $0.prefix(256), as: UTF8.self) }.filter { !$0.isWhitespace }
    guard !revision.isEmpty, !revision.hasPrefix("."), revision.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "." || $0 == "-") })
    else { throw ConversionError.malformed(file: reference, detail: "not the name of a snapshot") }
    return snapshots + "/" + revision
  }

  /// The folder's own name, or the repository's: the default name of a model. Never a path.
  package var name: String {
    if let gguf { return gguf.name }
    guard let full = realpath(path, nil) else { return "" }
    defer { free(full) }
    if let repository = HubCache.repository(ofSnapshot: String(cString: full)) { return repository.split(separator: "/").last.map(String.init) ?? "" }
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
    if let value = gguf?.files[name] { return ConfigReader(file: name, value: value) }
    guard gguf == nil, let full = file(name) else { return nil }
    let value = try JSONValue.read(full)
    guard value.members != nil else { throw ConversionError.malformed(file: name, detail: "not a JSON object") }
    return ConfigReader(file: name, value: value)
  }

  /// The image processor's settings: inside processor_config.json, where transformers 5 writes them and looks first, or
  /// preprocessor_config.json.
  package func imageProcessor() throws -> ConfigReader? {
    if let outer = try json("processor_config.json"), outer.has("image_processor") { return try outer.object("image_processor") }
    return try json("preprocessor_config.json")
  }

  private static let single = ["model.safetensors", "pytorch_model.bin"]
  private static let sharded = ["model.safetensors.index.json", "pytorch_model.bin.index.json"]

  package var hasWeights: Bool { gguf != nil || (Self.single + Self.sharded).contains { file($0) != nil } || !looseShards().isEmpty }

  /// All tensors of the folder: safetensors before pickles, a single file before a sharded set of the same kind (an index beside it is
  /// ignored as stale, as in transformers), shards without an index last. Quantised weights appear as floats.
  package func weights() throws -> any TensorSource {
    if let gguf { return gguf.source }
    let found = try stored()
    guard let config = try json("config.json"), let scheme = try QuantizationScheme(config) else { return found }
    return try DequantizedSource(found, scheme)
  }

  private func stored() throws -> any TensorSource {
    for (index, whole) in zip(Self.sharded, Self.single) {
      if let full = file(whole) { return try Self.open(full) }
      if file(index) != nil { return try shards(index) }
    }
    let loose = looseShards()
    if !loose.isEmpty { return try Self.combined(try loose.map { try Self.open(path + "/" + $0) }) }
    throw ConversionError.missingFile(directory: path, looked: Self.single + Self.sharded)
  }

  /// What names of files end with that are read.
  private static let endings = [
    ".safetensors", ".bin", ".gguf", ".model", ".tiktoken", ".jinja", ".index.json", "config.json", "tokenizer.json", "tokens.json",
    "tokens_map.json", "vocab.json", "chat_template.json", "merges.txt", "README.md", "modeling_GOT.py",
  ]

  /// Paths of the files that a conversion may read; of a GGUF file those beside it too.
  package var files: [String] {
    let isFolder = access(path + "/.", F_OK) == 0
    let folder = isFolder ? path : String(path.utf8.lastIndex(of: UInt8(ascii: "/")).map { path[...$0] } ?? ".")
    return Self.names(folder).filter { name in Self.endings.contains { name.hasSuffix($0) } }.map { folder + "/" + $0 }
  }

  /// Names of the folder's files, sorted.
  private func names() -> [String] { Self.names(path) }

  private static func names(_ path: String) -> [String] {
    guard let folder = opendir(path) else { return [] }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder) {
      names.append(withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
    }
    return names.sorted()
  }

  /// `model-00001-of-00003.safetensors` and so on, or the same of `pytorch_model` with `.bin`, when all of them are there.
  private func looseShards() -> [String] {
    for (stem, kind) in [("model-", ".safetensors"), ("pytorch_model-", ".bin")] {
      let shards = names().filter { $0.hasPrefix(stem + "00") && $0.hasSuffix(kind) && $0.contains("-of-") }
      if let count = shards.first?.dropLast(kind.count).split(separator: "-").last.flatMap({ Int($0) }), count == shards.count { return shards }
    }
    return []
  }

  private static func combined(_ sources: [any TensorSource]) throws -> any TensorSource {
    let combined = CombinedSource()
    for source in sources { try combined.add(source) }
    return combined
  }

  /// Opens one weight file by its file name extension.
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
    return try Self.combined(order.sorted().compactMap { files[$0] })
  }
}
