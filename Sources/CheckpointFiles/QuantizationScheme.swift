// SPDX-License-Identifier: Apache-2.0

/// How a checkpoint's weights were quantised, from `quantization_config`: FP8 as transformers, fbgemm and ModelOpt write it, or compressed-tensors.
/// Which tensors are quantised, their own names say.
package struct QuantizationScheme {
  /// Weights that share a scale.
  struct Block: Hashable, Sendable {
    let rows, columns: Int
  }

  /// The numbers of bits that packed weights may have.
  private(set) var bits: Set<Int> = []
  /// The blocks that weights may have, where a scale is for more than a row and less than a tensor.
  private(set) var blocks: Set<Block> = []

  /// nil: the weights are floats.
  /// - Throws: `.unsupported` for weights quantised by a method, or in a format, that the converter does not read.
  package init?(_ config: ConfigReader) throws {
    guard let key = ["quantization_config", "compression_config"].first(where: config.has) else { return nil }
    let settings = try config.object(key)
    let method = try settings.string("quant_method", default: key == "compression_config" ? "compressed-tensors" : "an unnamed method")
    func unsupported(_ what: String) -> ConversionError {
      .unsupported(
        "\(config.file): weights quantised by \(method)\(what); FP8 and compressed-tensors' pack-quantized, int-quantized and float-quantized are "
          + "read: convert the checkpoint that they were made from (its float weights)")
    }
    switch method {
    case "fp8", "fbgemm_fp8":
      let sides = try settings.ints("weight_block_size") ?? []
      guard sides.isEmpty || sides.count == 2, sides.allSatisfy({ (1...1 << 20).contains($0) }) else {
        throw settings.fail("weight_block_size", "should be two sizes")
      }
      if sides.count == 2 { blocks = [Block(rows: sides[0], columns: sides[1])] }
    case "modelopt":
      let algorithm = try settings.string("quant_algo", default: try settings.object("quantization").string("quant_algo", default: "?"))
      guard algorithm == "FP8" else { throw unsupported(" (\(algorithm))") }
    case "compressed-tensors": try readGroups(settings, unsupported)
    default: throw unsupported("")
    }
  }

  /// `config_groups` of compressed-tensors.
  private mutating func readGroups(_ settings: ConfigReader, _ unsupported: (String) -> ConversionError) throws {
    let known: Set<String> = ["dense", "pack-quantized", "int-quantized", "float-quantized", "naive-quantized", "mixed-precision"]
    func check(_ format: String) throws { guard known.contains(format) else { throw unsupported(" (format \(format))") } }
    try check(try settings.string("format", default: "dense"))
    let sparsity = try settings.object("sparsity_config").string("format", default: "dense")
    guard sparsity == "dense" else { throw unsupported(" (sparsity format \(sparsity))") }
    guard try settings.object("transform_config").object("config_groups").value.members?.isEmpty != false else {
      throw unsupported(" (with rotations, transform_config)")
    }
    for (name, _) in try settings.object("config_groups").value.members ?? [] {
      let group = try settings.object("config_groups").object(name)
      try check(try group.string("format", default: "dense"))
      guard group.has("weights") else { continue }
      let weights = try group.object("weights")
      let count = try weights.size("num_bits", default: 8)
      guard count <= 8 else { throw weights.fail("num_bits", "\(count) is more than 8") }
      bits.insert(count)
      // −1: a whole row.
      if let size = weights.value["group_size"]?.int, (1...1 << 20).contains(size) { blocks.insert(Block(rows: 1, columns: size)) }
      if let sides = try weights.ints("block_structure") {
        guard sides.count == 2, sides.allSatisfy({ (1...1 << 20).contains($0) }) else { throw weights.fail("block_structure", "should be two sizes") }
        blocks.insert(Block(rows: sides[0], columns: sides[1]))
      }
    }
  }
}
