// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles

/// A GGUF decoder, and its vision tower's `mmproj` file if any, presented as the folder that transformers would save.
package struct GGUFCheckpoint {
  /// Without its extension.
  let name: String
  let source: any TensorSource
  let tokenizer: GGUFTokenizer
  /// config.json and the others, by name.
  let files: [String: JSONValue]
  let licence: String?

  /// - Parameters:
  ///   - path: the decoder's file.
  ///   - tower: the vision tower's file; nil: a file beside the decoder that is named as such.
  init(path: String, tower: String?) throws {
    let decoder = try GGUFFile(path: path)
    let config = try GGUFConfig(decoder.settings)
    name = String(path.split(separator: "/").last ?? "").replacing(/\.gguf$/, with: "")
    let tokenizer = try GGUFTokenizer(decoder.settings)
    self.tokenizer = tokenizer
    licence = decoder.settings.value["general.license"]?.string
    let isTied = decoder.info("output.weight") == nil
    let factors = if let info = decoder.info("rope_freqs.weight") { try decoder.readAll(info) } else { [Float]() }
    let rows = decoder.info("token_embd.weight")?.rows ?? tokenizer.tokens.count
    let text = try config.decoder(vocabSize: rows, isTied: isTied, ropeFactors: factors)

    let vision = try tower.map { try GGUFVision(path: $0, tokens: tokenizer.tokens) }
    let names = vision?.names ?? GGUFNames(decoder: "model.", head: "lm_head.weight")
    let combined = CombinedSource()
    try combined.add(decoder, rename: names.decoderName)
    var heads: [String: Int] = [:]
    if ["llama", "granite"].contains(config.architecture) {
      for tensor in combined.tensors {
        let module = tensor.name.split(separator: ".").dropLast().last ?? ""
        if module == "q_proj" || module == "k_proj" { heads[tensor.name] = try config.headSize }
      }
    }
    let joined = CombinedSource()
    try joined.add(RotaryLayoutSource(combined, headSizes: heads))
    if let vision { try joined.add(vision.file, rename: vision.rename) }
    source = joined

    var files: [String: JSONValue] = ["tokenizer_config.json": tokenizer.config]
    // Its prompts begin with that token, whatever is usual for its kind of tokenizer.
    if config.architecture == GGUFDeepSeek.architecture, !decoder.settings.has("tokenizer.ggml.add_bos_token") {
      files["tokenizer_config.json"] = .object((tokenizer.config.members ?? []).filter { $0.key != "add_bos_token" })
    }
    guard (vision?.isDeepSeek ?? false) == (config.architecture == GGUFDeepSeek.architecture) else {
      throw ConversionError.unsupported(
        "\(decoder.settings.file): architecture \(config.architecture) needs its own mmproj file"
          + (vision == nil ? "; name it with --vision-tower" : ", another one than \(vision?.file.settings.file ?? "")"))
    }
    if let vision {
      files["config.json"] = try vision.config(decoder: text)
      files["preprocessor_config.json"] = vision.preprocessor
    } else {
      let architecture = ["qwen2": "Qwen2ForCausalLM", "granite": "GraniteForCausalLM"][config.architecture] ?? "LlamaForCausalLM"
      files["config.json"] = .object([("architectures", .array([.string(architecture)]))] + text)
    }
    self.files = files
  }

  /// The decoder's and the tower's file for a file, or for a folder of GGUF files.
  /// - Parameter names: of the folder's files; nil where `path` is a file.
  /// - Returns: nil when there is no GGUF file.
  static func find(_ path: String, names: [String], isFolder: Bool) throws -> (decoder: String, tower: String?)? {
    let folder = isFolder ? path : String(path.utf8.lastIndex(of: UInt8(ascii: "/")).map { path[..<$0] } ?? ".")
    let files = names.filter { $0.lowercased().hasSuffix(".gguf") }
    let towers = files.filter { $0.lowercased().contains("mmproj") }
    var decoder = path
    if isFolder {
      let decoders = files.filter { !$0.lowercased().contains("mmproj") }
      guard let first = decoders.first else { return nil }
      guard decoders.count == 1 else {
        throw ConversionError.cannotRead(path: path, reason: "several GGUF models; give one of \(decoders.joined(separator: ", "))")
      }
      decoder = folder + "/" + first
    }
    guard towers.count <= 1 else {
      throw ConversionError.cannotRead(
        path: path, reason: "several mmproj files beside it; name one with --vision-tower: \(towers.joined(separator: ", "))")
    }
    return (decoder, towers.first.map { folder + "/" + $0 })
  }
}
