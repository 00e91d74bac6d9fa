// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Families
import Schema
import Shims

/// Sizes of Qwen-VL's tower and Monkey's tiles, from the `visual` object of a config.
struct QwenVisualConfig {
  let hiddenSize, intermediateSize, layers, heads, patchSize, outputSize, queries: Int
  let rows, columns, tileSize: Int
  let startId: Int
  /// Sides of the square position tables in the checkpoint: the tower's, and the resampler's.
  let positionSide, querySide: Int
  let adapterSets: Int
  let resamplerHeads: Int

  var headSize: Int { hiddenSize / heads }

  /// - Parameter plan: the checkpoint, which gives the sizes of position tables and, without a key, the number of adapter sets.
  init(_ visual: ConfigReader, _ plan: CheckpointPlan) throws {
    hiddenSize = try visual.size("width")
    layers = try visual.size("layers")
    heads = try visual.size("heads")
    patchSize = try visual.size("patch_size")
    outputSize = try visual.size("output_dim")
    startId = try visual.int("image_start_id")
    guard hiddenSize % heads == 0 else { throw visual.fail("heads", "\(heads) does not divide width \(hiddenSize)") }
    guard layers <= 256 else { throw visual.fail("layers", "\(layers) is too many") }
    let ratio = try visual.double("mlp_ratio")
    guard ratio > 0, ratio * Double(hiddenSize) < 16_777_216.0, ratio * Double(hiddenSize) >= 1 else {
      throw visual.fail("mlp_ratio", "should be above zero")
    }
    intermediateSize = Int(Double(hiddenSize) * ratio)

    // The original's tile is 448 pixels, whatever the image size; `tile_size` is ours, for smaller models.
    tileSize = try visual.size("tile_size", default: 448)
    let sides = visual.value["image_size"]?.array != nil ? try visual.ints("image_size") ?? [] : [try visual.size("image_size")]
    guard let height = sides.first, let width = sides.last, sides.count <= 2, height > 0, width > 0, height % tileSize == 0,
      width % tileSize == 0, height / tileSize <= 16, width / tileSize <= 16
    else { throw visual.fail("image_size", "\(sides) should be multiples of \(tileSize), at most 16 of them") }
    guard tileSize % patchSize == 0 else { throw visual.fail("patch_size", "\(patchSize) does not divide \(tileSize)") }
    (rows, columns) = (height / tileSize, width / tileSize)

    let prefix = QwenVisionNames.prefix
    func side(_ name: String, rows fallback: Int) throws -> Int {
      let rows = plan.source.info(prefix + name)?.rows ?? fallback
      let side = Int(Double(rows).squareRoot())
      guard side > 0, side <= 256, side * side == rows else {
        throw ConversionError.tensors(missing: [], unknown: [], misshapen: ["\(prefix)\(name): \(rows) rows, expected a square"])
      }
      return side
    }
    positionSide = try side("positional_embedding", rows: 256)
    querySide = try side("attn_pool.query", rows: 256)
    queries = querySide * querySide
    var found = 0
    while found <= 256, plan.has("\(QwenVisionNames.block(0))attn.in_proj_lora.\(found).lora_a.weight") { found += 1 }
    adapterSets = try visual.size("lora_repeat_num", default: found, allowZero: true)
    guard adapterSets <= 1 || (adapterSets >= rows * columns && adapterSets <= 256) else {
      throw visual.fail("lora_repeat_num", "\(adapterSets) should be 0, 1, or one for each of \(rows * columns) tiles")
    }
    let usualHeads = max(1, outputSize / 128)
    resamplerHeads = try visual.size("resampler_heads", default: usualHeads)
    guard outputSize % resamplerHeads == 0, outputSize / resamplerHeads <= largestHeadSize else {
      throw visual.fail("output_dim", "\(resamplerHeads) heads of at most \(largestHeadSize) do not make \(outputSize)")
    }
  }

  var settings: MonkeySettings {
    var s = MonkeySettings()
    (s.vision.hiddenSize, s.vision.intermediateSize, s.vision.layers, s.vision.heads) = (hiddenSize, intermediateSize, layers, heads)
    (s.vision.imageSize, s.vision.patchSize, s.vision.positionGrid) = (tileSize, patchSize, positionSide)
    s.statistics = ImagePreprocessing.clip
    (s.rows, s.columns, s.adapterSets) = (rows, columns, adapterSets)
    (s.resampler.side, s.resampler.heads) = (querySide, resamplerHeads)
    s.marks = ImageMarkSettings(startId: startId, endId: startId + 1)
    return s
  }
}

/// Tensor names of Qwen-VL's tower, Monkey's adapters and the resampler, `transformer.visual.…`, to ours.
enum QwenVisionNames {
  static let prefix = "transformer.visual."
  static func block(_ i: Int) -> String { "\(prefix)transformer.resblocks.\(i)." }

  static func plan(_ plan: CheckpointPlan, _ c: QwenVisualConfig) {
    let h = c.hiddenSize
    plan.matrix(
      "vision.patch.weight", .patch, [h, 3 * c.patchSize * c.patchSize], from: prefix + "conv1.weight",
      sourceShape: [h, 3, c.patchSize, c.patchSize])
    plan.table("vision.position", [c.positionSide * c.positionSide, h], from: prefix + "positional_embedding")
    plan.norm("vision.preNorm", h, from: prefix + "ln_pre", hasBias: true)
    for i in 0..<c.layers { planBlock(plan, c, i) }
    planResampler(plan, c)
  }

  /// The checkpoint's q|k|v rows are interleaved by head (q, k, v of head 0, then of head 1, …); ours are all q, then k, then v.
  static func headRows(_ c: QwenVisualConfig) -> [Range<Int>] {
    (0..<3).flatMap { part in
      (0..<c.heads).map { head in
        let first = (3 * head + part) * c.headSize
        return first..<first + c.headSize
      }
    }
  }

  private static func planBlock(_ plan: CheckpointPlan, _ c: QwenVisualConfig, _ i: Int) {
    let (h, m) = (c.hiddenSize, c.intermediateSize)
    let source = block(i)
    let name = "vision.layers.\(i)."
    let order = headRows(c)
    plan.norm(name + "norm1", h, from: source + "ln_1", hasBias: true)
    plan.linear(
      name + "attn.qkv", .vision, inputs: h, total: 3 * h, rows: order, weight: source + "attn.in_proj.weight",
      bias: source + "attn.in_proj.bias")
    for k in 0..<c.adapterSets {
      planAdapter(plan, name + "adapters.\(k).qkv", source + "attn.in_proj_lora.\(k)", from: h, to: 3 * h, rows: order)
    }
    plan.linear(name + "attn.out", .vision, inputs: h, parts: [(source + "attn.out_proj", h)], bias: .required)
    for k in 0..<c.adapterSets {
      planAdapter(plan, name + "adapters.\(k).out", source + "attn.out_proj_lora.\(k)", from: h, to: h)
    }
    plan.norm(name + "norm2", h, from: source + "ln_2", hasBias: true)
    plan.linear(name + "mlp.expand", .vision, inputs: h, parts: [(source + "mlp.c_fc", m)], bias: .required)
    plan.linear(name + "mlp.contract", .vision, inputs: m, parts: [(source + "mlp.c_proj", h)], bias: .required)
    for k in 0..<c.adapterSets { planAdapter(plan, name + "adapters.\(k).mlp", source + "mlp_lora.\(k)", from: h, to: h) }
  }

  /// `lora_a` is `[rank, inputs]`, `lora_b` `[outputs, rank]`, `lora_scale` one learned number.
  private static func planAdapter(
    _ plan: CheckpointPlan, _ name: String, _ source: String, from inputs: Int, to outputs: Int, rows: [Range<Int>]? = nil
  ) {
    let rank = plan.source.info(source + ".lora_a.weight")?.rows ?? 1
    plan.matrix(name + ".down.weight", .vision, [rank, inputs], from: source + ".lora_a.weight")
    plan.linear(
      name + ".up", .vision, inputs: rank, total: outputs, rows: rows ?? [0..<outputs], weight: source + ".lora_b.weight", bias: nil)
    plan.table(name + ".scale", [1], from: source + ".lora_scale")
  }

  private static func planResampler(_ plan: CheckpointPlan, _ c: QwenVisualConfig) {
    let d = c.outputSize
    let source = prefix + "attn_pool."
    plan.table("resampler.position", [c.queries, d], from: source + "pos_embed")
    plan.table("resampler.query", [c.queries, d], from: source + "query")
    if c.hiddenSize != d || plan.has(source + "kv_proj.weight") {
      plan.linear("resampler.keyValue", .projector, inputs: c.hiddenSize, parts: [(source + "kv_proj", d)], bias: .none)
    }
    plan.norm("resampler.normKeyValue", d, from: source + "ln_kv", hasBias: true)
    plan.norm("resampler.normQuery", d, from: source + "ln_q", hasBias: true)
    for (part, name) in ["q", "k", "v"].enumerated() {
      plan.linear(
        "resampler.attn." + name, .projector, inputs: d, total: 3 * d, rows: [part * d..<(part + 1) * d],
        weight: source + "attn.in_proj_weight", bias: source + "attn.in_proj_bias")
    }
    plan.linear("resampler.attn.out", .projector, inputs: d, parts: [(source + "attn.out_proj", d)], bias: .required)
    plan.norm("resampler.normOutput", d, from: prefix + "ln_post", hasBias: true)
    plan.transposed("resampler.projection", .projector, inputs: d, outputs: d, from: prefix + "proj")
  }
}
