// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// HiRes-LLaVA (arXiv:2407.08706). No checkpoint was published; the names are this project's, on top of the original LLaVA's.
enum HiResLlava {
  static func describe(_ checkpoint: OpenCheckpoint) throws -> SystemDescription {
    let config = checkpoint.config
    let plan = CheckpointPlan(checkpoint.source)
    let text = try TextConfig(config)
    let vision = try checkpoint.visionConfig()
    let used = try vision.layersUsed(select: try config.int("mm_vision_select_layer", default: -2))
    guard try OriginalLlava.dropsClass(config) else { throw config.fail("mm_vision_select_feature", "only patch is supported") }
    let hires = try config.object("hires_llava")
    let restoreLayers = try restoreLayers(hires, used: used)
    var entries = try metadata(hires, vision, restoreLayers: restoreLayers)

    let tower = CLIPNames(plan, prefixes: [OpenCheckpoint.towerPrefix])
    tower.plan(plan, vision, used: used) { layer in
      if restoreLayers.contains(layer) { planRestore(plan, layer: layer, size: vision.hiddenSize) }
    }
    planSampler(plan, from: vision.hiddenSize, to: text.hiddenSize)
    for kind in ["global", "slice", "row"] { plan.table("separator.\(kind)", [text.hiddenSize], from: "model.image_sep.\(kind)") }
    let decoder = LlamaNames(plan, layouts: OriginalLlava.language)
    decoder.plan(plan, text)

    let image = try ImagePreprocessing(try checkpoint.imageProcessor(includingTower: true), imageSize: vision.imageSize)
    entries += SystemDescription.visionMetadata(vision, used: used, dropClass: true)
    entries += image.metadata(fit: "pad", padColour: image.meanColour, cropSize: vision.imageSize)
    entries += [("projector.kind", .string("sampler")), ("projector.hiddenSize", .int(text.hiddenSize))]
    entries += decoder.metadata(text)
    entries += try PromptFormat.vicuna.overridden(by: config).metadata(imageTokenSplitsText: true)
    return try SystemDescription(system: "hires_llava", plan: plan, metadata: entries) { name in
      decoder.isIgnorable(name, text) || tower.isIgnorable(name, used: used)
    }
  }

  /// The last four blocks that influence the selected feature, unless the config lists others.
  private static func restoreLayers(_ hires: ConfigReader, used: Int) throws -> [Int] {
    let layers = try hires.ints("sra_layers") ?? Array(max(0, used - 4)..<used)
    guard layers.allSatisfy({ (0..<used).contains($0) }), Set(layers).count == layers.count else {
      throw hires.fail("sra_layers", "\(layers) are not distinct layers below \(used)")
    }
    return layers.sorted()
  }

  /// SliceRestore adapter (§3.2): a depth-wise convolution and a self-attention.
  private static func planRestore(_ plan: CheckpointPlan, layer: Int, size: Int) {
    let source = "model.vision_tower.sra.\(layer)."
    let name = "vision.layers.\(layer).restore."
    plan.depthwise(name + "local", channels: size, from: source + "local")
    plan.linear(
      name + "attn.qkv", .vision, inputs: size, parts: ["q", "k", "v"].map { ("\(source)attn.\($0)_proj", size) }, bias: .required)
    plan.linear(name + "attn.out", .vision, inputs: size, parts: [(source + "attn.o_proj", size)], bias: .required)
  }

  /// Self-Mining Sampler (§3.3): cross-attention of pooled queries, then an MLP to the decoder's width.
  private static func planSampler(_ plan: CheckpointPlan, from size: Int, to width: Int) {
    let source = "model.mm_projector."
    plan.norm("sampler.normQuery", size, from: source + "ln_q", hasBias: true)
    plan.norm("sampler.normKeyValue", size, from: source + "ln_kv", hasBias: true)
    plan.linear("sampler.attn.q", .projector, inputs: size, parts: [(source + "attn.q_proj", size)], bias: .required)
    plan.linear(
      "sampler.attn.kv", .projector, inputs: size, parts: [(source + "attn.k_proj", size), (source + "attn.v_proj", size)],
      bias: .required)
    plan.linear("sampler.attn.out", .projector, inputs: size, parts: [(source + "attn.o_proj", size)], bias: .required)
    plan.norm("sampler.normOutput", size, from: source + "ln_o", hasBias: true)
    plan.linear("sampler.mlp.0", .projector, inputs: size, parts: [(source + "mlp.0", width)], bias: .required)
    plan.linear("sampler.mlp.2", .projector, inputs: width, parts: [(source + "mlp.2", width)], bias: .required)
  }

  /// The open points of the paper are data of the file; what the library cannot run is refused here.
  private static func metadata(
    _ hires: ConfigReader, _ vision: VisionConfig, restoreLayers: [Int]
  ) throws -> [(key: String, value: MetadataValue)] {
    func choice(_ key: String, _ allowed: [String]) throws -> String {
      let value = try hires.string(key, default: allowed[0])
      guard allowed.contains(value) else { throw hires.fail(key, "\(value) is none of \(allowed.joined(separator: ", "))") }
      return value
    }
    let grid = vision.imageSize / vision.patchSize
    guard try hires.size("r", default: vision.imageSize) == vision.imageSize else {
      throw hires.fail("r", "is not the vision tower's image size \(vision.imageSize)")
    }
    guard try hires.size("sra_kernel", default: 3) == 3 else { throw hires.fail("sra_kernel", "only 3 is supported") }
    _ = try choice("proj", ["mlp2x_gelu"])
    let kernel = try hires.size("sms_kernel", default: grid % 3 == 0 ? 3 : 2)
    guard grid % kernel == 0 else { throw hires.fail("sms_kernel", "\(kernel) does not divide a grid of \(grid)") }
    func heads(_ key: String) throws -> Int {
      let heads = try hires.size(key, default: vision.heads)
      guard vision.hiddenSize % heads == 0 else { throw hires.fail(key, "\(heads) does not divide \(vision.hiddenSize)") }
      return heads
    }
    var entries: [(String, MetadataValue)] = [
      ("hires.maxSlices", .int(try hires.size("M", default: 16))), ("hires.samplerKernel", .int(kernel)),
      ("hires.samplerHeads", .int(try heads("sms_heads"))), ("hires.restoreHeads", .int(try heads("sra_heads"))),
      ("hires.restoreLayers", .ints(restoreLayers)), ("hires.samplerLocal", .bool(try hires.bool("sms_local", default: false))),
      ("hires.samplerShared", .bool(try hires.bool("sms_shared", default: true))),
      ("hires.quadruple", .bool(try hires.bool("quadruple", default: false))),
      ("hires.restoreOnLowResolution", .bool(try hires.bool("sra_on_lowres", default: false))),
      ("hires.restoreWhere", .string(try choice("sra_where", ["parallel_attn", "sequential"]))),
      ("hires.restoreInput", .string(try choice("sra_input", ["ln1", "x"]))),
      ("hires.separators", .string(try choice("sep_kind", ["learned"]))),
      ("hires.fit", .string(try choice("grid_fit", ["pad", "stretch"]))),
    ]
    guard try hires.bool("sms_shared", default: true) else { throw hires.fail("sms_shared", "only a shared sampler is supported") }
    if let ratio = hires.value["sra_down"]?.string {
      guard ratio.hasPrefix("ratio"), let number = Int(ratio.dropFirst("ratio".count)), (1...64).contains(number) else {
        throw hires.fail("sra_down", "\(ratio) is neither [rows, columns] nor \"ratio2\"")
      }
      entries.append(("hires.restoreDownRatio", .int(number)))
    } else {
      let down = try hires.ints("sra_down") ?? [grid, grid]
      guard down.count == 2, down.allSatisfy({ (1...1 << 12).contains($0) }) else {
        throw hires.fail("sra_down", "should be [rows, columns]")
      }
      entries.append(("hires.restoreDown", .ints(down)))
    }
    return entries
  }
}
