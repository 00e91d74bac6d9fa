// SPDX-License-Identifier: Apache-2.0
import Schema
import WeightFile

/// HiRes-LLaVA (arXiv:2407.08706). What the paper leaves open is set by metadata keys.
package struct HiResLLaVASettings: VisionSettings {
  package enum Fit: Spelled {
    /// The aspect ratio is kept and the rest padded.
    case pad
    case stretch

    package var spelling: StaticString {
      switch self {
      case .pad: "pad"
      case .stretch: "stretch"
      }
    }
  }

  package var decoder = DecoderSizes()
  package var vision = CLIPSettings()
  package var statistics = NormalisationSettings()
  package var padding = PadSettings()
  package var maxSlices = 1
  /// Percent; empty: 100.
  package var enlarge: [Int] = []
  /// Mean log-probability; nil: pages are never cut.
  package var doubt: Double?
  package var quadruple = false
  package var fit = Fit.pad
  /// True: the whole view passes the adapters too, as a one-slice image of its own.
  package var restoreOnLowResolution = false
  package var restore = SliceRestoreSettings()
  package var sampler = SelfMiningSettings()

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.part(&vision)
    try f.check(vision.dropClass, "vision.dropClass", found: "false", expected: "true: the sampler needs a square map of patches")
    try f.part(&statistics)
    try f.part(&padding)
    try f.int("hires.maxSlices", &maxSlices, in: 1...1024, "Slices that an image is cut into at most.")
    try f.ints(
      "hires.enlarge", &enlarge, in: 100...400, count: 1...8, isOptional: true,
      "Percent of its size that an image is sliced at, where slices allow; 100 without it. Of several the first counts, and text is best read at each."
    )
    try f.double(
      "hires.doubt", &doubt, in: -20...0,
      "Mean log-probability of an answer's tokens below which the reading of a page is doubted: it is cut in two between its lines, and both are read."
    )
    try f.bool("hires.quadruple", &quadruple, default: false, "Whether each side has a multiple of two slices.")
    try f.choice("hires.fit", &fit, default: .pad, "How an image is laid on the canvas of its slices.")
    try f.bool("hires.restoreOnLowResolution", &restoreOnLowResolution, default: false, "Whether the whole view passes the adapters too.")
    if !f.isListing {
      (restore.vision, restore.maxSlices) = (vision, maxSlices)
      sampler.vision = vision
    }
    try f.part(&restore)
    try f.part(&sampler)
  }
}

/// SliceRestore adapters (§3.2).
package struct SliceRestoreSettings: Settings {
  package static let scope = "hires"

  package enum Place: Spelled {
    /// In parallel with the block's attention.
    case parallel
    /// After it.
    case sequential

    package var spelling: StaticString {
      switch self {
      case .parallel: "parallel_attn"
      case .sequential: "sequential"
      }
    }
  }

  package enum Source: Spelled {
    case normed, residual

    package var spelling: StaticString {
      switch self {
      case .normed: "ln1"
      case .residual: "x"
      }
    }
  }

  /// Blocks that have an adapter; none: there are no adapters.
  package var layers: [Int] = []
  package var heads = 1
  package var place = Place.parallel
  package var source = Source.normed
  /// Downsampling ratio of the map for global attention; nil: it has the size of `down`.
  package var downRatio: Int?
  /// Rows and columns.
  package var down = [1, 1]

  /// The tower and its most slices, which bound the sizes.
  package var vision = CLIPSettings.largest
  package var maxSlices = 1024

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.ints("restoreLayers", &layers, in: 0...vision.layers - 1, count: 0...256, isOptional: true, "Blocks of the tower that have an adapter.")
    let exist = Condition.when(!layers.isEmpty, "there is `hires.restoreLayers`")
    try f.heads(
      "restoreHeads", &heads, of: vision.hiddenSize, when: exist,
      "Heads of the adapters' attention; they divide the tower's width into 256 or less.")
    try f.choice("restoreWhere", &place, default: .parallel, when: exist, "Whether an adapter stands beside the block's attention or behind it.")
    try f.choice(
      "restoreInput", &source, default: .normed, when: exist, "What an adapter beside attention reads: the block's normed or its raw input.")
    try f.int("restoreDownRatio", &downRatio, in: 1...64, when: exist, "How much smaller the map is that an adapter's attention sees.")
    let isSized = downRatio == nil
    try f.ints(
      "restoreDown", &down, in: 1...1024, count: 2...2,
      when: .when(exist.holds && isSized, "there is `hires.restoreLayers` and no `hires.restoreDownRatio`"),
      "Rows and columns of that map; it is not larger than the map of all slices.")
    if exist.holds, isSized {
      let most = maxSlices * vision.patches
      try f.check(
        down.reduce(1, *) <= most, "restoreDown", found: "\(down[0]) by \(down[1])",
        expected: "at most \(most) places, the patches of \(maxSlices) slices")
    }
  }
}

/// The Self-Mining Sampler (§3.3).
package struct SelfMiningSettings: Settings {
  package static let scope = "hires"

  package var heads = 1
  /// Side of a pooled cell in patches.
  package var kernel = 1
  /// True: a token attends to its own cell only; false: to the whole view.
  package var isLocal = false

  /// The tower, which bounds the sizes.
  package var vision = CLIPSettings.largest

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.heads(
      "samplerHeads", &heads, of: vision.hiddenSize, "Heads of the sampler's attention; they divide the tower's width into 256 or less."
    )
    try f.divisor(
      "samplerKernel", &kernel, of: vision.grid, in: 1...64, "Side of the cells of patches that become a token; it divides a view's side.")
    try f.bool("samplerLocal", &isLocal, default: false, "Whether a token sees only its own cell.")
  }
}

extension CLIPSettings {
  /// Upper bounds, used until the tower's settings are read.
  static var largest: CLIPSettings {
    var s = CLIPSettings()
    (s.hiddenSize, s.layers, s.imageSize, s.heads) = (16384, 256, 4096, 64)
    return s
  }
}
