// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Families
import Schema

/// HiRes-LLaVA (arXiv:2407.08706). No checkpoint was published; the names are this project's, on top of the original LLaVA's.
enum HiResLlava {
  static func describe(_ checkpoint: OpenCheckpoint) throws -> SystemDescription {
    let config = checkpoint.config
    let plan = CheckpointPlan(checkpoint.source)
    var text = try TextConfig(config)
    let vision = try checkpoint.visionConfig()
    let used = try vision.layersUsed(select: try config.int("mm_vision_select_layer", default: -2))
    guard try OriginalLlava.dropsClass(config) else { throw config.fail("mm_vision_select_feature", "only patch is supported") }
    let hires = try config.object("hires_llava")
    let restoreLayers = try restoreLayers(hires, used: used)
    var settings = try settings(hires, vision, used: used, restoreLayers: restoreLayers)

    let tower = CLIPNames(plan, prefixes: [OpenCheckpoint.towerPrefix], scope: "vision")
    tower.plan(plan, vision, used: used) { layer in
      if restoreLayers.contains(layer) { planRestore(plan, layer: layer, size: vision.hiddenSize) }
    }
    planSampler(plan, from: vision.hiddenSize, to: text.hiddenSize)
    for kind in ["global", "slice", "row"] { plan.table("separator.\(kind)", [text.hiddenSize], from: "model.image_sep.\(kind)") }
    let decoder = try LlamaNames(plan, layouts: OriginalLlava.language, &text)
    decoder.plan(plan, text)

    let image = try ImagePreprocessing(try checkpoint.imageProcessor(includingTower: true), imageSize: vision.imageSize)
    settings.statistics = image.statistics
    settings.padding = image.meanColour
    return try SystemDescription(
      system: "hires_llava", plan: plan, decoder: DecoderSettings(text.settings), vision: settings,
      prompt: PromptFormat.vicuna.overridden(by: config).settings(imageTokenSplitsText: true)
    ) { name in
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

  /// The paper's open points are metadata of the file; unsupported choices are refused here.
  private static func settings(
    _ hires: ConfigReader, _ vision: VisionConfig, used: Int, restoreLayers: [Int]
  ) throws -> HiResLLaVASettings {
    func only(_ key: String, _ known: String) throws {
      guard try hires.string(key, default: known) == known else { throw hires.fail(key, "only \(known) is supported") }
    }
    /// A choice with the same spelling in config and weight file.
    func choice<Choice: Spelled>(_ key: String, _ fallback: Choice) throws -> Choice {
      let value = try hires.string(key, default: fallback.spelling.description)
      guard let choice = Choice(spelling: value) else {
        throw hires.fail(key, "\(value) is none of \(Choice.allCases.map(\.spelling.description).joined(separator: ", "))")
      }
      return choice
    }
    let grid = vision.imageSize / vision.patchSize
    guard try hires.size("r", default: vision.imageSize) == vision.imageSize else {
      throw hires.fail("r", "is not the vision tower's image size \(vision.imageSize)")
    }
    guard try hires.size("sra_kernel", default: 3) == 3 else { throw hires.fail("sra_kernel", "only 3 is supported") }
    try only("proj", "mlp2x_gelu")
    try only("sep_kind", "learned")
    let kernel = try hires.size("sms_kernel", default: grid % 3 == 0 ? 3 : 2)
    guard grid % kernel == 0 else { throw hires.fail("sms_kernel", "\(kernel) does not divide a grid of \(grid)") }
    func heads(_ key: String) throws -> Int {
      let heads = try hires.size(key, default: vision.heads)
      guard vision.hiddenSize % heads == 0 else { throw hires.fail(key, "\(heads) does not divide \(vision.hiddenSize)") }
      return heads
    }
    guard try hires.bool("sms_shared", default: true) else { throw hires.fail("sms_shared", "only a shared sampler is supported") }
    var s = HiResLLaVASettings()
    s.vision = vision.settings(used: used, dropClass: true)
    s.maxSlices = try hires.size("M", default: 16)
    s.enlarge = try hires.ints("enlarge") ?? []
    guard s.enlarge.count <= 8, s.enlarge.allSatisfy({ (100...400).contains($0) }) else {
      throw hires.fail("enlarge", "should be at most 8 whole numbers of 100 … 400 percent")
    }
    if hires.value["doubt"] != nil { s.doubt = try hires.double("doubt") }
    if let doubt = s.doubt, !(-20...0).contains(doubt) { throw hires.fail("doubt", "should be a log-probability, -20 … 0") }
    s.quadruple = try hires.bool("quadruple", default: false)
    s.fit = try choice("grid_fit", s.fit)
    s.restoreOnLowResolution = try hires.bool("sra_on_lowres", default: false)
    (s.sampler.kernel, s.sampler.heads) = (kernel, try heads("sms_heads"))
    s.sampler.isLocal = try hires.bool("sms_local", default: false)
    (s.restore.layers, s.restore.heads) = (restoreLayers, try heads("sra_heads"))
    s.restore.place = try choice("sra_where", s.restore.place)
    s.restore.source = try choice("sra_input", s.restore.source)
    if let ratio = hires.value["sra_down"]?.string {
      guard ratio.hasPrefix("ratio"), let number = Int(ratio.dropFirst("ratio".count)), (1...64).contains(number) else {
        throw hires.fail("sra_down", "\(ratio) is neither [rows, columns] nor \"ratio2\"")
      }
      s.restore.downRatio = number
    } else {
      s.restore.down = try hires.ints("sra_down") ?? [grid, grid]
      guard s.restore.down.count == 2, s.restore.down.allSatisfy({ (1...1024).contains($0) }) else {
        throw hires.fail("sra_down", "should be [rows, columns]")
      }
    }
    return s
  }
}
