// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Schema

/// Tensor names and sizes of Vary's vocabulary network (SAM's image encoder and two convolutions) in its three published layouts, to ours.
struct SAMNames {
  enum Layout { case original, transformers, mlx }

  let layout: Layout
  /// Prefix of `pos_embed`.
  let prefix: String
  /// Scope of the network's weights in the weight file.
  let scope: String
  private let down: [String]
  let hiddenSize, intermediateSize, layers, heads, patchSize, grid, windowSize: Int
  let globalLayers: [Int]
  let neckSize, middleSize, outputSize: Int
  let normEpsilon: Double

  var tokens: Int {
    let half = (grid + 1) / 2
    return ((half + 1) / 2) * ((half + 1) / 2)
  }

  /// The layout's names inside a block; `attn.…` and `mlp.…` are common to all.
  private static func parts(_ layout: Layout) -> (block: String, norm: String, patch: String, neck: [String]) {
    switch layout {
    case .original: ("blocks", "norm", "patch_embed.proj", ["neck.0", "neck.1", "neck.2", "neck.3"])
    case .mlx: ("blocks", "norm", "patch_embed.proj", ["conv1", "norm1", "conv2", "norm2"])
    case .transformers:
      ("layers", "layer_norm", "patch_embed.projection", ["neck.conv1", "neck.layer_norm1", "neck.conv2", "neck.layer_norm2"])
    }
  }

  /// Finds the network under one of `prefixes`. Sizes come from its tensors; `config`, transformers' `vision_config`, may add some.
  init(_ plan: CheckpointPlan, prefixes: [String], scope: String, config: ConfigReader? = nil) throws {
    func shape(_ name: String) -> [Int]? { plan.source.info(name)?.shape }
    guard let prefix = prefixes.first(where: { plan.has($0 + "pos_embed") }) else {
      throw ConversionError.tensors(missing: [prefixes[0] + "pos_embed"], unknown: [], misshapen: [])
    }
    self.prefix = prefix
    self.scope = scope
    layout = plan.has(prefix + "patch_embed.projection.weight") ? .transformers : plan.has(prefix + "neck.0.weight") ? .original : .mlx
    let parts = Self.parts(layout)
    let projector = prefix.hasPrefix("model.") ? "model.multi_modal_projector." : "multi_modal_projector."
    down = layout == .transformers ? [projector + "conv_upsampler1", projector + "conv_upsampler2"] : [prefix + "net_2", prefix + "net_3"]

    func malformed(_ name: String) -> ConversionError {
      let found = shape(name).map { "\($0)" } ?? "missing"
      return .tensors(missing: [], unknown: [], misshapen: ["\(name): \(found), which no vocabulary network has"])
    }
    let patch = prefix + parts.patch + ".weight"
    guard let patchShape = shape(patch), patchShape.count == 4, patchShape[0] > 0, (1...256).contains(patchShape[2]) else { throw malformed(patch) }
    hiddenSize = patchShape[0]
    patchSize = patchShape[2]
    guard let positions = shape(prefix + "pos_embed"), positions.count == 4, positions[1] == positions[2], (1...256).contains(positions[1])
    else { throw malformed(prefix + "pos_embed") }
    grid = positions[1]

    var count = 0
    while count <= 256, plan.has("\(prefix)\(parts.block).\(count).attn.qkv.weight") { count += 1 }
    layers = count
    func relative(_ i: Int) -> String { "\(prefix)\(parts.block).\(i).attn.rel_pos_h" }
    let lengths = (0..<count).map { shape(relative($0))?.first ?? 0 }
    guard let first = shape(relative(0)), first.count == 2, first[1] > 0, first[0] % 2 == 1, hiddenSize % first[1] == 0, count <= 256
    else { throw malformed(relative(0)) }
    heads = hiddenSize / first[1]
    // Block 0 has window attention; blocks with another table length have global attention.
    windowSize = try config?.size("window_size", default: 14) ?? (first[0] + 1) / 2
    let others = lengths.indices.filter { lengths[$0] != lengths[0] }
    globalLayers = try config.map { try $0.ints("global_attn_indexes") ?? [2, 5, 8, 11] } ?? others
    guard (1...256).contains(windowSize), globalLayers.allSatisfy({ (0..<count).contains($0) }) else {
      throw config?.fail("global_attn_indexes", "\(globalLayers) are not all layers below \(count)") ?? malformed(relative(0))
    }
    normEpsilon = try config?.double("layer_norm_eps", default: 1e-6) ?? 1e-6
    if let config {
      guard try config.string("hidden_act", default: "gelu") == "gelu" else { throw config.fail("hidden_act", "only gelu is supported") }
      for key in ["use_abs_pos", "use_rel_pos", "qkv_bias"] where try !config.bool(key, default: true) {
        throw config.fail(key, "only true is supported")
      }
      let image = try config.size("image_size", default: 1024)
      guard image == grid * patchSize else { throw config.fail("image_size", "\(image) is not \(grid) patches of \(patchSize)") }
    }
    func rows(_ name: String) throws -> Int {
      guard let rows = shape(name)?.first, (1...65536).contains(rows) else { throw malformed(name) }
      return rows
    }
    intermediateSize = try rows("\(prefix)\(parts.block).0.mlp.lin1.weight")
    neckSize = try rows(prefix + parts.neck[0] + ".weight")
    middleSize = try rows(down[0] + ".weight")
    outputSize = try rows(down[1] + ".weight")
  }

  func plan(_ plan: CheckpointPlan) {
    let (h, isMLX) = (hiddenSize, layout == .mlx)
    let parts = Self.parts(layout)
    let name = scope + "."
    plan.kernel(
      name + "patch.weight", .patch, outputs: h, channels: 3, side: patchSize, from: prefix + parts.patch + ".weight",
      channelsLast: (written: false, source: isMLX))
    plan.table(name + "patch.bias", [h], from: prefix + parts.patch + ".bias")
    plan.table(name + "position", [grid * grid, h], from: prefix + "pos_embed", sourceShape: [1, grid, grid, h])
    for i in 0..<layers { planBlock(plan, i, parts) }
    let neck = parts.neck.map { prefix + $0 }
    func convolution(_ to: String, _ outputs: Int, _ channels: Int, _ side: Int, from module: String) {
      plan.kernel(
        to + ".weight", .vision, outputs: outputs, channels: channels, side: side, from: module + ".weight",
        channelsLast: (written: true, source: isMLX))
    }
    convolution(name + "neck.reduce", neckSize, h, 1, from: neck[0])
    plan.norm(name + "neck.norm1", neckSize, from: neck[1], hasBias: true)
    convolution(name + "neck.mix", neckSize, neckSize, 3, from: neck[2])
    plan.norm(name + "neck.norm2", neckSize, from: neck[3], hasBias: true)
    convolution(name + "down1", middleSize, neckSize, 3, from: down[0])
    convolution(name + "down2", outputSize, middleSize, 3, from: down[1])
  }

  /// Plans the relative positions of further input sizes, given as sides in patches.
  func planPositions(_ plan: CheckpointPlan, grids: [Int]) {
    for i in globalLayers {
      for grid in grids {
        for (axis, name) in [("rows", "rel_pos_h"), ("columns", "rel_pos_w")] {
          plan.relativePositions(
            "\(scope).positions.\(i).\(grid).\(axis).weight", side: grid, size: hiddenSize / heads,
            from: "\(prefix)\(Self.parts(layout).block).\(i).attn.\(name)")
        }
      }
    }
  }

  private func planBlock(_ plan: CheckpointPlan, _ i: Int, _ parts: (block: String, norm: String, patch: String, neck: [String])) {
    let (h, m) = (hiddenSize, intermediateSize)
    let source = "\(prefix)\(parts.block).\(i)."
    let name = "\(scope).layers.\(i)."
    let side = globalLayers.contains(i) ? grid : windowSize
    plan.norm(name + "norm1", h, from: source + parts.norm + "1", hasBias: true)
    plan.linear(name + "attn.qkv", .vision, inputs: h, parts: [(source + "attn.qkv", 3 * h)], bias: .required)
    plan.relativePositions(name + "attn.positions.rows.weight", side: side, size: h / heads, from: source + "attn.rel_pos_h")
    plan.relativePositions(name + "attn.positions.columns.weight", side: side, size: h / heads, from: source + "attn.rel_pos_w")
    plan.linear(name + "attn.out", .vision, inputs: h, parts: [(source + "attn.proj", h)], bias: .required)
    plan.norm(name + "norm2", h, from: source + parts.norm + "2", hasBias: true)
    plan.linear(name + "mlp.expand", .vision, inputs: h, parts: [(source + "mlp.lin1", m)], bias: .required)
    plan.linear(name + "mlp.contract", .vision, inputs: m, parts: [(source + "mlp.lin2", h)], bias: .required)
  }

  /// Resizing and normalisation for the network.
  enum Preprocessing {
    /// Pillow's bicubic filter and CLIP's statistics ("BLIP eval").
    case blip
    /// OpenCV's bilinear filter and ImageNet's statistics (albumentations).
    case albumentations
  }

  func settings(_ preprocessing: Preprocessing) -> SAMSettings {
    var s = SAMSettings()
    (s.hiddenSize, s.intermediateSize, s.layers, s.heads) = (hiddenSize, intermediateSize, layers, heads)
    (s.imageSize, s.patchSize, s.windowSize, s.globalLayers) = (grid * patchSize, patchSize, windowSize, globalLayers)
    (s.neckSize, s.middleSize, s.outputSize, s.normEpsilon) = (neckSize, middleSize, outputSize, normEpsilon)
    switch preprocessing {
    case .blip: (s.resize, s.statistics) = (.bicubic, ImagePreprocessing.clip)
    case .albumentations: (s.resize, s.statistics) = (.bilinear, ImagePreprocessing.imageNet)
    }
    return s
  }
}
