// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Schema

/// Sizes of a CLIP vision transformer.
package struct VisionConfig: Equatable {
  package let hiddenSize, intermediateSize, heads, imageSize, patchSize: Int
  /// All layers of the tower, also those after the selected feature layer.
  package let layers: Int
  package let normEpsilon: Double
  /// "quick_gelu" or "gelu".
  package let activation: String
  /// Channels and residual pairs of each stage of a convolution stem; nil: patches are embedded by one product.
  package let stem: Stem?

  package struct Stem: Equatable {
    package let widths, depths: [Int]
  }

  package var patches: Int { (imageSize / patchSize) * (imageSize / patchSize) }

  /// Defaults of absent keys: CLIP's own, or those of `vision_config` in LLaVA's configs.
  package enum Defaults { case clip, llava }

  /// - Parameter config: a CLIP vision config, or a whole CLIP config with one inside.
  package init(_ outer: ConfigReader, defaults: Defaults) throws {
    let config = outer.has("vision_config") ? try outer.object("vision_config") : outer
    let type = try config.string("model_type", default: "clip_vision_model")
    guard type == "clip_vision_model" || type == "clip" else {
      throw ConversionError.unsupported("\(config.file): a vision tower of type \(type); CLIP is known")
    }
    let large = defaults == .llava
    hiddenSize = try config.size("hidden_size", default: large ? 1024 : 768)
    intermediateSize = try config.size("intermediate_size", default: large ? 4096 : 3072)
    layers = try config.size("num_hidden_layers", default: large ? 24 : 12)
    heads = try config.size("num_attention_heads", default: large ? 16 : 12)
    imageSize = try config.size("image_size", default: large ? 336 : 224)
    patchSize = try config.size("patch_size", default: large ? 14 : 32)
    normEpsilon = try config.double("layer_norm_eps", default: 1e-5)
    activation = try config.string("hidden_act", default: "quick_gelu")
    guard try config.size("num_channels", default: 3) == 3 else { throw config.fail("num_channels", "only 3 is supported") }
    guard ["quick_gelu", "gelu"].contains(activation) else { throw config.fail("hidden_act", "\(activation) is not supported") }
    guard layers <= 1024 else { throw config.fail("num_hidden_layers", "\(layers) is too many") }
    guard hiddenSize % heads == 0 else { throw config.fail("num_attention_heads", "\(heads) does not divide \(hiddenSize)") }
    guard imageSize % patchSize == 0 else {
      throw config.fail("patch_size", "\(patchSize) does not divide image size \(imageSize)")
    }
    stem = try config.has("conv_stem") ? Stem(config.object("conv_stem"), patchSize: patchSize) : nil
    guard imageSize <= 1 << 14 else { throw config.fail("image_size", "\(imageSize) is too large") }
  }

  /// The towers that LLaVA checkpoints refer to by hub name without a config.
  package static func known(_ name: String) throws -> VisionConfig? {
    let sizes: String
    switch name.split(separator: "/").last {
    case "clip-vit-large-patch14-336": sizes = #"{"image_size": 336}"#
    case "clip-vit-large-patch14": sizes = #"{"image_size": 224}"#
    default: return nil
    }
    return try VisionConfig(ConfigReader(file: name, value: try .parse(sizes, file: name)), defaults: .llava)
  }

  /// The number of layers that `hidden_states[select]` needs; `hidden_states` has `layers + 1` entries, the first before any layer.
  package func layersUsed(select: Int) throws -> Int {
    let index = select < 0 ? layers + 1 + select : select
    guard index >= 1, index <= layers else {
      throw ConversionError.unsupported("vision feature layer \(select) of a tower of \(layers) layers")
    }
    return index
  }
}

extension VisionConfig.Stem {
  /// - Parameter config: `{"widths": [32, 64, 128], "depths": [0, 2, 3]}`, this project's key.
  init(_ config: ConfigReader, patchSize: Int) throws {
    widths = try config.ints("widths") ?? []
    depths = try config.ints("depths") ?? widths.map { _ in 0 }
    guard (1...8).contains(widths.count), widths.allSatisfy({ (1...4096).contains($0) }), patchSize == 1 << widths.count else {
      throw config.fail("widths", "\(widths) are not the channels of stages that halve a patch of \(patchSize) to a place")
    }
    guard depths.count == widths.count, depths.allSatisfy({ (0...64).contains($0) }) else {
      throw config.fail("depths", "\(depths) are not a number of residual pairs for each of \(widths.count) stages")
    }
  }
}

extension VisionConfig {
  /// - Parameter used: blocks in the weight file.
  func settings(used: Int, dropClass: Bool) -> CLIPSettings {
    var s = CLIPSettings()
    (s.hiddenSize, s.intermediateSize, s.layers, s.heads) = (hiddenSize, intermediateSize, used, heads)
    (s.imageSize, s.patchSize, s.normEpsilon, s.dropClass) = (imageSize, patchSize, normEpsilon, dropClass)
    s.activation = ActivationName(spelling: activation) ?? .quickGELU
    if let stem { (s.stem.widths, s.stem.depths) = (stem.widths, stem.depths) }
    return s
  }
}
