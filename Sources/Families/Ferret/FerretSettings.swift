// SPDX-License-Identifier: Apache-2.0
import Schema
import WeightFile

/// Ferret (arXiv:2310.07704), Ferret-UI and Ferret-v2 (arXiv:2404.07973).
package struct FerretSettings: VisionSettings {
  /// What encodes tiles.
  package enum Tiles {
    /// There are none (Ferret).
    case none
    /// The whole view's encoder and projector (Ferret-UI).
    case shared
    /// An encoder and a projector of their own (Ferret-v2).
    case own
  }

  package var decoder = DecoderSizes()
  /// Follows from the system's name.
  package var tiles = Tiles.none
  package var vision = CLIPSettings()
  package var statistics = NormalisationSettings()
  package var projector = ProjectorSettings()
  package var region = RegionSamplerSettings()
  /// With tiles.
  package var pinpoints = PinpointSettings()
  /// With tiles of their own encoder.
  package var local = DINOv2Settings()
  package var localStatistics = NormalisationSettings()

  package init() {}
  package init(_ tiles: Tiles) { self.tiles = tiles }

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.part(&vision)
    try f.check(vision.dropClass, "vision.dropClass", found: "false", expected: "true: regions need a square map of patches")
    try f.part(&statistics)
    try f.part(&projector)
    try f.part(&region)
    if tiles == .own {
      try f.part(&local)
      try f.check(
        region.isProjected || local.hiddenSize == vision.hiddenSize, "local.hiddenSize", found: "\(local.hiddenSize)",
        expected: "\(vision.hiddenSize), as the whole view's: their features are added")
      try f.part(&localStatistics, scope: DINOv2Settings.scope)
    }
    if tiles != .none {
      pinpoints.tileSide = tileSide
      try f.part(&pinpoints)
    }
  }

  /// Side of a tile in pixels, and in patches.
  package var tileSide: Int { tiles == .own ? local.tileSide : vision.imageSize }
  package var tileGrid: Int { tiles == .own ? local.grid : vision.grid }
  /// Channels of the map that regions are encoded from.
  package var featureSize: Int { region.isProjected ? decoder.hiddenSize : vision.hiddenSize }
}

/// Ferret's spatial-aware visual sampler (arXiv:2310.07704 §3.2).
package struct RegionSamplerSettings: Settings {
  package static let scope = "region"

  package enum Pooling: Spelled {
    case max, mean

    package var spelling: StaticString {
      switch self {
      case .max: "max"
      case .mean: "mean"
      }
    }
  }

  /// True: regions are encoded from projected features, false: from the encoders'.
  package var isProjected = false
  /// True: the map is read with x and y exchanged, as the published checkpoints were trained.
  package var isTransposed = true
  package var pooling = Pooling.max
  /// The token at whose position a region's vector is inserted.
  package var token = "<region_fea>"

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.bool("projected", &isProjected, default: false, "Whether regions are read from projected features, else from the encoders'.")
    try f.bool("transposed", &isTransposed, default: true, "Whether the map is read with x and y exchanged.")
    try f.choice("pooling", &pooling, default: .max, "What an anchor takes of its neighbours.")
    try f.string("token", &token, default: "<region_fea>", "The token that stands where a region's vector goes.")
  }
}
