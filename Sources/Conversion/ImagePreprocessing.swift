// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Schema

/// Preprocessing of an image for the vision tower, from the image processor's settings and the model's config.
package struct ImagePreprocessing {
  let statistics: NormalisationSettings
  /// Whether images are resized to the tower's height and width, their aspect ratio aside; false: by their shorter edge.
  let isStretched: Bool

  static let clip = NormalisationSettings(mean: [0.48145466, 0.4578275, 0.40821073], std: [0.26862954, 0.26130258, 0.27577711])
  static let imageNet = NormalisationSettings(mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225])

  /// int(255 · mean) per channel, truncated as in LLaVA's padding and clamped to 0 … 255.
  var meanColour: PadSettings {
    PadSettings(colour: statistics.mean.map { min(max(Int(($0 * 255).rounded(.towardZero)), 0), 255) })
  }

  /// - Parameter config: the image processor's settings; nil: CLIP's defaults.
  /// - Throws: for anything other than bicubic resizing to the tower's size.
  init(_ config: ConfigReader?, imageSize: Int) throws {
    statistics = NormalisationSettings(
      mean: try config?.doubles("image_mean", count: 3) ?? Self.clip.mean, std: try config?.doubles("image_std", count: 3) ?? Self.clip.std)
    isStretched = config?.value["size"]?["height"] != nil
    guard let config else { return }
    guard !statistics.std.contains(where: { $0 <= 0 }), !statistics.mean.contains(where: { !(-1000...1000).contains($0) }) else {
      throw config.fail("image_std", "should be above zero")
    }
    guard try config.int("resample", default: 3) == 3 else { throw config.fail("resample", "only 3 (bicubic) is supported") }
    for step in ["do_resize", "do_rescale", "do_normalize"] {
      guard try config.bool(step, default: true) else { throw config.fail(step, "images that skip this step are not supported") }
    }
    try Self.checkRescaling(config)
    for key in ["crop_size", "size"] where config.has(key) {
      let side: Int
      if config.value[key]?.members != nil {
        let size = try config.object(key)
        side = try size.size("shortest_edge", default: try size.size("height", default: imageSize))
        let width = try size.size("width", default: side)
        guard width == side else { throw size.fail("width", "\(width) is not the vision tower's image size \(imageSize)") }
      } else {
        side = try config.size(key)
      }
      guard side == imageSize else { throw config.fail(key, "\(side) is not the vision tower's image size \(imageSize)") }
    }
  }

  /// - Throws: for a `rescale_factor` other than 1/255.
  static func checkRescaling(_ config: ConfigReader) throws {
    guard (try config.double("rescale_factor", default: 1 / 255) * 255 - 1).magnitude < 1e-9 else {
      throw config.fail("rescale_factor", "only 1/255 is supported")
    }
  }

  /// `image_grid_pinpoints` as flat [width, height, …]: a list of pairs, or its Python spelling in a string.
  /// - Parameter isHeightFirst: transformers writes [height, width], the original LLaVA [width, height].
  package static func pinpoints(_ config: ConfigReader, isHeightFirst: Bool, tile: Int) throws -> [Int]? {
    let key = "image_grid_pinpoints"
    guard var value = config.value[key] else { return nil }
    if let text = value.string {
      let json = text.map { $0 == "(" ? "[" : $0 == ")" ? "]" : $0 }
      value = try .parse(String(json), file: "\(config.file): \(key)")
    }
    guard let pairs = value.array?.map({ $0.array?.compactMap(\.int) ?? [] }), !pairs.isEmpty, pairs.count <= 1000 else {
      throw config.fail(key, "should be a list of pairs")
    }
    return try pairs.flatMap { pair in
      guard pair.count == 2, pair.allSatisfy({ $0 > 0 && $0 <= 1 << 16 && $0 % tile == 0 }) else {
        throw config.fail(key, "\(pair) is not a pair of multiples of \(tile)")
      }
      return isHeightFirst ? [pair[1], pair[0]] : pair
    }
  }
}
