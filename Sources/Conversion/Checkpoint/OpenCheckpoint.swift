// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles

/// A checkpoint with all its parts: base and adapter merged, an external vision tower included.
package struct OpenCheckpoint {
  package let config: ConfigReader
  /// Folders searched for tokenizer and preprocessing files, in this order.
  package let folders: [CheckpointDirectory]
  package let source: any TensorSource
  /// The tower's own folder, if it has one.
  package let tower: CheckpointDirectory?

  /// The template requested instead of the checkpoint's own chat template.
  package var chatTemplate: ChatChoice?

  package enum ChatChoice: Sendable {
    case format(PromptFormat)
    case template(ChatTemplate)
  }

  /// The prefix of an external tower's tensors: where the original LLaVA keeps an internal one.
  static let towerPrefix = "model.vision_tower.vision_tower.vision_model."

  /// - Parameters:
  ///   - path: the checkpoint, or with `base` a PEFT folder or a folder of differences.
  ///   - base: the folder an adapter at `path` was trained on, or differences at `path` were taken from.
  ///   - adapter: a PEFT folder to merge into the checkpoint at `path`.
  ///   - vision: the tower's folder, when it is not found through `mm_vision_tower`; of a GGUF decoder the tower's GGUF file.
  package init(path: String, base: String? = nil, adapter: String? = nil, vision: String? = nil) throws {
    let ggufTower = vision.flatMap { $0.lowercased().hasSuffix(".gguf") ? $0 : nil }
    let given = try CheckpointDirectory(path: path, tower: ggufTower)
    var main = given
    var adapterFolder = try adapter.map { try LoRADirectory(path: $0) }
    var overlay: CheckpointDirectory?
    if let base {
      main = try CheckpointDirectory(path: base, tower: ggufTower)
      if LoRADirectory.isOne(given) {
        guard adapterFolder == nil else { throw ConversionError.badOption("\(path) is an adapter itself; give one adapter only") }
        adapterFolder = LoRADirectory(directory: given)
      } else {
        overlay = given  // a projector trained on a frozen base, or differences from the base
      }
    } else if LoRADirectory.isOne(given), !given.hasWeights {
      throw ConversionError.badOption("\(path) holds a LoRA adapter; name the model it was trained on with --base")
    }

    // An adapter from LLaVA's training brings the multimodal config; its base may be a plain language model.
    let folders = [adapterFolder?.directory, overlay, main].compactMap { $0 }
    guard let configured = try folders.first(where: { try $0.json("config.json") != nil }) else {
      throw ConversionError.missingFile(directory: main.path, looked: ["config.json"])
    }
    config = try configured.config()
    _ = try QuantizationScheme(config)  // refused before weights are looked for
    self.folders = folders

    var source: any TensorSource
    do { source = try main.weights() } catch let error as ConversionError {
      if case .missingFile = error { try SystemDescription.refuseUnknown(config) }
      throw error
    }
    if let overlay, overlay.hasWeights {
      source = try DeltaSource(delta: try overlay.weights(), base: source)
    } else if let overlay {
      guard let file = overlay.file("mm_projector.bin") ?? overlay.file("mm_projector.safetensors") else {
        throw ConversionError.missingFile(directory: overlay.path, looked: ["adapter_config.json", "mm_projector.bin"])
      }
      let combined = CombinedSource()
      try combined.add(source)
      try combined.add(try CheckpointDirectory.open(file), replacing: true)
      source = combined
    }
    if let adapterFolder { source = try adapterFolder.merged(into: source) }

    tower = try Self.findTower(config, folders: folders, option: ggufTower == nil ? vision : nil)
    if let tower, tower.hasWeights, source.info(Self.towerPrefix + "embeddings.class_embedding") == nil, !config.has("text_config") {
      let combined = CombinedSource()
      try combined.add(source)
      try combined.add(try tower.weights()) { name in
        // A whole CLIP also has a text model; transformers 5 may omit the prefix.
        if name.hasPrefix("vision_model.") { return Self.towerPrefix + name.dropFirst("vision_model.".count) }
        let isBare = ["embeddings.", "pre_layrnorm.", "encoder.", "post_layernorm."].contains { name.hasPrefix($0) }
        return isBare ? Self.towerPrefix + name : nil
      }
      source = combined
    }
    self.source = source
  }

  /// Paths of the files that it may be read from.
  package var files: [String] { (folders + [tower].compactMap { $0 }).flatMap(\.files) }

  /// `--vision-tower`, else the folder that `mm_vision_tower` names in or beside the checkpoint, else `vision_tower/`.
  private static func findTower(
    _ config: ConfigReader, folders: [CheckpointDirectory], option: String?
  ) throws -> CheckpointDirectory? {
    if let option {
      let folder = try CheckpointDirectory(path: option)
      guard folder.file("config.json") != nil else { throw ConversionError.missingFile(directory: option, looked: ["config.json"]) }
      return folder
    }
    let named = try config.string("mm_vision_tower", default: try config.string("vision_tower", default: ""))
    let last = named.split(separator: "/").last.map(String.init) ?? ""
    guard last != "..", last != "." else { throw config.fail("mm_vision_tower", "\(named) is not a folder name") }
    for folder in folders {
      for name in [last, "vision_tower", "../" + last] where !last.isEmpty || name == "vision_tower" {
        if let found = folder.folder(name) { return found }
      }
    }
    return nil
  }

  /// The first of `names` in the checkpoint's folders, then in the tower's.
  func json(_ name: String, includingTower: Bool = false) throws -> ConfigReader? {
    for folder in folders + (includingTower ? [tower].compactMap { $0 } : []) {
      if let found = try folder.json(name) { return found }
    }
    return nil
  }

  /// The image processor's settings, from the first folder that has any.
  func imageProcessor(includingTower: Bool = false) throws -> ConfigReader? {
    for folder in folders + (includingTower ? [tower].compactMap { $0 } : []) {
      if let found = try folder.imageProcessor() { return found }
    }
    return nil
  }

  func file(_ name: String) -> String? {
    for folder in folders { if let found = folder.file(name) { return found } }
    return nil
  }

  /// The tower's sizes: from its own folder's config, from `vision_config` in the checkpoint's, or the known ones of its hub name.
  func visionConfig() throws -> VisionConfig {
    if let tower { return try VisionConfig(try tower.config(), defaults: .clip) }
    if config.has("vision_config") { return try VisionConfig(try config.object("vision_config"), defaults: .clip) }
    let named = try config.string("mm_vision_tower", default: try config.string("vision_tower", default: ""))
    if let known = try VisionConfig.known(named) { return known }
    throw ConversionError.badConfig(
      file: config.file, key: "mm_vision_tower",
      detail:
        "no folder of the vision tower \(named.isEmpty ? "" : "\(named) ")was found in or beside the checkpoint; name one with --vision-tower"
    )
  }
}
