// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles

/// A PEFT folder: adapter_config.json, adapter_model.safetensors or .bin, and what LLaVA's training adds: `non_lora_trainables.bin`
/// (whole tensors that replace the base's) and its own config.json.
package struct LoRADirectory {
  package let directory: CheckpointDirectory

  package init(path: String) throws { self.init(directory: try CheckpointDirectory(path: path)) }

  package init(directory: CheckpointDirectory) { self.directory = directory }

  package static func isOne(_ directory: CheckpointDirectory) -> Bool { directory.file("adapter_config.json") != nil }

  /// The base's tensors with this adapter merged in.
  /// - Throws: `.tensors` naming adapter tensors that match nothing in the base, `.unsupported` for DoRA and other kinds.
  package func merged(into base: any TensorSource) throws -> any TensorSource {
    guard let config = try directory.json("adapter_config.json") else {
      throw ConversionError.missingFile(directory: directory.path, looked: ["adapter_config.json"])
    }
    guard let file = directory.file("adapter_model.safetensors") ?? directory.file("adapter_model.bin") else {
      throw ConversionError.missingFile(directory: directory.path, looked: ["adapter_model.safetensors", "adapter_model.bin"])
    }
    let kind = try config.string("peft_type", default: "LORA")
    guard kind == "LORA" else { throw ConversionError.unsupported("PEFT adapters of type \(kind); LORA is known") }
    for option in ["use_dora", "fan_in_fan_out", "use_qalora"] where try config.bool(option, default: false) {
      throw ConversionError.unsupported("PEFT option \(option)")
    }
    for option in ["layer_replication", "target_parameters", "alora_invocation_tokens"] where config.has(option) {
      throw ConversionError.unsupported("PEFT option \(option)")
    }
    try Self.checkInitialisation(config)
    let adapter = try CheckpointDirectory.open(file)
    let whole = CombinedSource()
    try whole.add(base)

    var a: [String: TensorInfo] = [:]
    var b: [String: TensorInfo] = [:]
    var unknown: [String] = []
    var replacements: [String: String] = [:]
    for info in adapter.tensors {
      let name = Self.plainName(info.name)
      if let module = Self.module(name, ".lora_A.") {
        a[module] = info
      } else if let module = Self.module(name, ".lora_B.") {
        b[module] = info
      } else if name.contains("lora_") {
        throw ConversionError.unsupported("adapter tensor \(info.name)")
      } else if let target = Self.resolve(name, in: base) {
        replacements[info.name] = target
      } else {
        unknown.append(info.name)
      }
    }
    try whole.add(adapter, replacing: true) { replacements[$0] }
    if let trained = directory.file("non_lora_trainables.bin") ?? directory.file("non_lora_trainables.safetensors") {
      try Self.addTrained(try CheckpointDirectory.open(trained), to: whole)
    }

    var pairs: [String: LoRASource.Pair] = [:]
    var missing: [String] = []
    var misshapen: [String] = []
    for module in Set(a.keys).union(b.keys).sorted() {
      guard let down = a[module], let up = b[module] else {
        missing.append("\(module).lora_\(a[module] == nil ? "A" : "B").weight")
        continue
      }
      guard let target = Self.resolve(module + ".weight", in: whole), let weight = whole.info(target) else {
        unknown.append(down.name)
        continue
      }
      guard down.shape.count == 2, up.shape.count == 2, down.rows > 0, up.rowSize == down.rows, down.rowSize == weight.rowSize,
        up.rows == weight.rows, weight.shape.count == 2
      else {
        misshapen.append("\(module): A \(down.shape), B \(up.shape), weight \(weight.shape)")
        continue
      }
      pairs[target] = LoRASource.Pair(
        a: down, b: up, source: adapter, scale: try Self.scale(config, module: module, rank: down.rows))
    }
    guard missing.isEmpty, unknown.isEmpty, misshapen.isEmpty else {
      throw ConversionError.tensors(missing: missing, unknown: unknown.sorted(), misshapen: misshapen)
    }
    return LoRASource(base: whole, pairs: pairs)
  }

  /// Some initialisations subtract a part from the base's weights (PiSSA the largest singular values, arXiv:2404.02948; LoftQ the
  /// quantisation error), so the adapter applies to the remainder, not to the base. PEFT can also save it for the original base.
  private static func checkInitialisation(_ config: ConfigReader) throws {
    guard let name = config.value["init_lora_weights"]?.string else { return }
    guard ["gaussian", "eva", "orthogonal"].contains(name.lowercased()) else {
      throw ConversionError.unsupported(
        "an adapter with init_lora_weights \(name), which changes the base's weights; save it from PEFT with "
          + "path_initial_model_for_weight_conversion, or merge it there")
    }
  }

  /// alpha / r, or alpha / √r for rank-stabilised adapters; `alpha_pattern` may set another alpha for single modules, by the first key that
  /// a module's name ends with.
  private static func scale(_ config: ConfigReader, module: String, rank: Int) throws -> Float {
    var alpha = try config.double("lora_alpha", default: 8)
    let patterns = try config.object("alpha_pattern")
    var isFound = false
    for (key, value) in patterns.value.members ?? [] {
      guard key.allSatisfy({ $0 == "_" || $0 == "." || $0.isASCII && ($0.isLetter || $0.isNumber) }), let number = value.double
      else { throw patterns.fail(key, "only plain module names are supported") }
      guard !isFound, module == key || module.hasSuffix("." + key) else { continue }
      (alpha, isFound) = (number, true)
    }
    let divisor = try config.bool("use_rslora", default: false) ? Double(rank).squareRoot() : Double(rank)
    return Float(alpha / divisor)
  }

  /// The name without PEFT's prefixes.
  static func plainName(_ name: String) -> String {
    var name = name
    if name.hasPrefix("base_model.model.") { name.removeFirst("base_model.model.".count) }
    for wrapper in [".base_layer", ".modules_to_save.default", ".modules_to_save"] {
      if let range = name.firstRange(of: wrapper) { name.removeSubrange(range) }
    }
    return name
  }

  private static func module(_ name: String, _ mark: String) -> String? {
    guard let range = name.firstRange(of: mark), ["weight", "default.weight"].contains(name[range.upperBound...]) else {
      return nil
    }
    return String(name[..<range.lowerBound])
  }

  /// The tensor of `base` that `name` refers to: itself, or its name in the other of transformers' two layouts of a LLaVA.
  static func resolve(_ name: String, in base: any TensorSource) -> String? {
    var candidates = [name]
    for (new, old) in [
      ("model.language_model.", "language_model.model."), ("lm_head.", "language_model.lm_head."),
      ("model.vision_tower.", "vision_tower.vision_model."), ("model.vision_tower.", "vision_tower."),
      ("model.multi_modal_projector.", "multi_modal_projector."),
    ] {
      if name.hasPrefix(new) { candidates.append(old + name.dropFirst(new.count)) }
      if name.hasPrefix(old) { candidates.append(new + name.dropFirst(old.count)) }
    }
    return candidates.first { base.info($0) != nil }
  }

  /// `non_lora_trainables`: names may start `base_model.`, and then `model.model.` (LLaVA's own loader strips them the same way).
  private static func addTrained(_ source: any TensorSource, to whole: CombinedSource) throws {
    let stripped = { (name: String) in name.hasPrefix("base_model.") ? String(name.dropFirst("base_model.".count)) : name }
    let isDoubled = source.tensors.contains { stripped($0.name).hasPrefix("model.model.") }
    try whole.add(source, replacing: true) { name in
      let name = stripped(name)
      return isDoubled && name.hasPrefix("model.") ? String(name.dropFirst("model.".count)) : name
    }
  }
}
