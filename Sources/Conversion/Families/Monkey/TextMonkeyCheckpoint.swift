// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Families
import Schema
import Shims

/// TextMonkey's additions to Monkey's layout: shifted window attention under `transformer.visual.transformer.window_attention`, and the
/// token resampler under `transformer.visual.downresampler`. The `visual` object says which are used (`add_window`, `resampler`,
/// `use_global`; default: those with tensors) and how many tokens are kept (`r`, else 512); its `n_queries` is the length of the
/// whole image block and is not read. `window_layers` and `token_resampler_heads` are ours, for smaller models.
struct TextMonkeyParts {
  static let windowPrefix = QwenVisionNames.prefix + "transformer.window_attention."
  static let resamplerPrefix = QwenVisionNames.prefix + "downresampler."
  /// Blocks with a published module before them; windows are 12 patches wide and shifted by 6.
  static let publishedLayers = [2, 6, 24, 46]
  static let windowSide = 12

  let windowLayers: [Int]
  let keptTokens: Int?
  let tokenHeads: Int
  let seesWhole: Bool

  /// Whether a checkpoint is a TextMonkey.
  static func areIn(_ plan: CheckpointPlan) -> Bool {
    plan.has(windowPrefix + "0.position_embedding") || plan.has(resamplerPrefix + "downsample.weight")
  }

  init(_ visual: ConfigReader, _ c: QwenVisualConfig, _ plan: CheckpointPlan) throws {
    let layers = try visual.ints("window_layers") ?? Self.publishedLayers
    let hasWindows = try visual.bool("add_window", default: plan.has(Self.windowPrefix + "0.position_embedding"))
    windowLayers = hasWindows ? layers.filter { (0..<c.layers).contains($0) } : []
    guard !hasWindows || c.rows == c.columns else { throw visual.fail("image_size", "windows need a square of tiles") }
    let resamples = try visual.bool("resampler", default: plan.has(Self.resamplerPrefix + "downsample.weight"))
    keptTokens = resamples ? try visual.size("r", default: 512) : nil
    let width = plan.source.info(Self.resamplerPrefix + "downsample.weight")?.rows ?? 1024
    tokenHeads = try visual.size("token_resampler_heads", default: max(1, width / 128))
    guard width % tokenHeads == 0, width / tokenHeads <= largestHeadSize else {
      throw visual.fail("token_resampler_heads", "\(tokenHeads) heads of at most \(largestHeadSize) do not make \(width)")
    }
    seesWhole = try visual.bool("use_global", default: true)
  }

  func settings(_ monkey: MonkeySettings) -> TextMonkeySettings {
    var s = TextMonkeySettings()
    s.monkey = monkey
    s.seesWhole = seesWhole
    (s.windows.layers, s.windows.side, s.windows.shift) = (windowLayers, Self.windowSide, Self.windowSide / 2)
    (s.tokens.kept, s.tokens.heads) = (keptTokens, tokenHeads)
    return s
  }

  func plan(_ plan: CheckpointPlan, _ c: QwenVisualConfig) {
    let side = c.columns * c.tileSize / c.patchSize
    for i in windowLayers.indices { planWindows(plan, i, hiddenSize: c.hiddenSize, places: side * side) }
    if keptTokens != nil { planTokenResampler(plan, c.outputSize) }
  }

  private func planWindows(_ plan: CheckpointPlan, _ i: Int, hiddenSize: Int, places: Int) {
    let name = "vision.windows.\(i)."
    let source = "\(Self.windowPrefix)\(i).shift_attn."
    let size = plan.source.info(source + "downsample.weight")?.rows ?? 1
    let differences = (2 * Self.windowSide - 1) * (2 * Self.windowSide - 1)
    let table = plan.source.info(source + "attn.relative_position_bias_table")
    plan.table(
      name + "position", [places, hiddenSize], from: "\(Self.windowPrefix)\(i).position_embedding",
      sourceShape: [1, places, hiddenSize])
    plan.linear(name + "down", .vision, inputs: hiddenSize, parts: [(source + "downsample", size)], bias: .none)
    plan.norm(name + "norm1", size, from: source + "norm1", hasBias: true)
    plan.linear(name + "attn.qkv", .vision, inputs: size, parts: [(source + "attn.qkv", 3 * size)], bias: .required)
    plan.table(
      name + "attn.bias", [differences, table?.rowSize ?? 1], from: source + "attn.relative_position_bias_table")
    plan.linear(name + "attn.out", .vision, inputs: size, parts: [(source + "attn.proj", size)], bias: .required)
    plan.norm(name + "norm2", size, from: source + "norm2", hasBias: true)
    plan.linear(name + "mlp.expand", .vision, inputs: size, parts: [(source + "mlp.fc1", 2 * size)], bias: .none)
    plan.linear(name + "mlp.contract", .vision, inputs: 2 * size, parts: [(source + "mlp.fc2", hiddenSize)], bias: .none)
    plan.table(name + "mlp.scale", [1], from: source + "mlp.scale")
  }

  private func planTokenResampler(_ plan: CheckpointPlan, _ width: Int) {
    let (name, source) = ("tokenResampler.", Self.resamplerPrefix)
    let size = plan.source.info(source + "downsample.weight")?.rows ?? 1
    let (look, mlp) = (source + "layers.0.0.", source + "layers.0.1.")
    plan.linear(name + "down", .projector, inputs: width, parts: [(source + "downsample", size)], bias: .none)
    plan.norm(name + "normMedia", size, from: look + "norm_media", hasBias: true)
    plan.norm(name + "normLatents", size, from: look + "norm_latents", hasBias: true)
    plan.linear(name + "attn.q", .projector, inputs: size, parts: [(look + "to_q", size)], bias: .none)
    plan.linear(name + "attn.kv", .projector, inputs: size, parts: [(look + "to_kv", 2 * size)], bias: .none)
    plan.linear(name + "attn.out", .projector, inputs: size, parts: [(look + "to_out", size)], bias: .none)
    plan.norm(name + "norm", size, from: mlp + "norm", hasBias: true)
    plan.linear(name + "mlp.expand", .projector, inputs: size, parts: [(mlp + "fc1", size)], bias: .none)
    plan.linear(name + "mlp.contract", .projector, inputs: size, parts: [(mlp + "fc2", width)], bias: .none)
    plan.table(name + "mlp.scale", [1], from: mlp + "scale")
  }

  /// Tables that follow from the sizes, and parts that the config disables.
  func isIgnorable(_ name: String) -> Bool {
    if name.hasPrefix(Self.resamplerPrefix) { return keptTokens == nil }
    guard name.hasPrefix(Self.windowPrefix) else { return false }
    let number = Int(name.dropFirst(Self.windowPrefix.count).prefix { $0 != "." }) ?? 0
    return number >= windowLayers.count || name.hasSuffix("relative_position_index") || name.hasSuffix("attn_mask")
  }
}
