// SPDX-License-Identifier: Apache-2.0
import Encoders
import Images
import Runtime
import Schema
import WeightFile

/// HiRes-LLaVA (arXiv:2407.08706): a small view of the whole image and up to `maxSlices` slices through one CLIP, slices
/// joined by SliceRestore adapters, each view compressed by the Self-Mining Sampler; learned separators stand after the
/// whole view, between slices and at the end of each row of slices.
package final class HiResLLaVA: DescribedSystem {
  let vision: VisionTransformer
  let restore: SliceRestoreLayers?
  let sampler: SelfMiningSampler
  let afterWhole, betweenSlices, afterRow: TensorView  // [1, outputSize] each
  let statistics: Normalisation
  let maxSlices: Int
  /// Percent.
  let enlarge: Int
  package let readingModes: [[UInt8]]
  package let doubt: Double?
  let quadruples: Bool
  let padColour: RGBColour
  /// True: slices are stretched over the canvas; false: the aspect ratio is kept and the rest padded.
  let stretches: Bool
  /// True: the whole view passes the adapters too, as a one-slice image of its own.
  let restoresWhole: Bool

  package init(_ w: Weights, _ s: HiResLLaVASettings) throws(WeightFileError) {
    let (c, size) = (VisionTransformerConfiguration(s.vision), s.decoder.hiddenSize)
    vision = try VisionTransformer(w["vision"], c)
    restore = s.restore.layers.isEmpty ? nil : try SliceRestoreLayers(w["vision.layers"], s.restore, hiddenSize: c.hiddenSize, blocks: c.layers)
    sampler = try SelfMiningSampler(w["sampler"], s.sampler, hiddenSize: c.hiddenSize, outputSize: size)
    afterWhole = try w["separator"].row("global", count: size)
    betweenSlices = try w["separator"].row("slice", count: size)
    afterRow = try w["separator"].row("row", count: size)
    statistics = Normalisation(s.statistics)
    maxSlices = s.maxSlices
    enlarge = s.enlarge.first ?? 100
    readingModes = s.enlarge.map { Array("\($0)%".utf8) }
    doubt = s.doubt
    quadruples = s.quadruple
    padColour = RGBColour(s.padding)
    stretches = s.fit == .stretch
    restoresWhole = s.restoreOnLowResolution
  }

  private var tokensPerView: Int { sampler.tokens(side: vision.config.grid) }
  /// One separator after every slice, and after the whole view.
  package var maximumTokens: Int { (1 + maxSlices) * (tokensPerView + 1) }

  package func crowding(of image: ImageSize) -> Double {
    let side = vision.config.imageSize
    return Double(dividedUp(image.width, side) * dividedUp(image.height, side)) / Double(maxSlices)
  }

  package func views(of image: ImageSize) throws(ImageError) -> ViewsPlan { try views(of: image, enlarge: enlarge) }

  package func views(of image: ImageSize, mode: [UInt8], tiles: Int?) throws(ImageError) -> ViewsPlan {
    guard let percent = Self.percent(mode) else {
      throw .badArgument(what: "mode: \(String(decoding: mode, as: UTF8.self)), must be 100% … 400%.")
    }
    if let tiles { return try views(of: image, tiles: tiles) }
    return try views(of: image, enlarge: percent)
  }

  /// `125%`.
  private static func percent(_ mode: [UInt8]) -> Int? {
    guard mode.count == 4, mode[3] == UInt8(ascii: "%") else { return nil }
    var value = 0
    for digit in mode[..<3] {
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
      value = 10 * value + Int(digit - UInt8(ascii: "0"))
    }
    return (100...400).contains(value) ? value : nil
  }

  private func views(of image: ImageSize, enlarge: Int) throws(ImageError) -> ViewsPlan {
    let side = vision.config.imageSize
    let slicing = try HiResSlicing(
      width: image.width, height: image.height, resolution: side, maxSlices: maxSlices, enlarge: enlarge, quadruple: quadruples)
    let whole = try CanvasFit(width: image.width, height: image.height, canvasWidth: side, canvasHeight: side)
    var plan = ViewsPlan(image)
    plan.add(try .fitted(image, whole, colour: padColour), area: PixelRectangle(canvas: whole, of: image))
    let canvas: PicturePlan =
      stretches
      ? try .stretched(image, width: slicing.fit.canvasWidth, height: slicing.fit.canvasHeight)
      : try .fitted(image, slicing.fit, colour: padColour)
    plan.add(
      tilesOf: canvas, rows: slicing.rows, columns: slicing.columns, side: side,
      area: stretches ? PixelRectangle(image) : PixelRectangle(canvas: slicing.fit, of: image))
    return plan
  }

  package func blocks(views: Int) -> Int { vision.config.layers }

  package func encode(
    _ views: ImageViews, progress: ((Int, Int) -> Void)?, _ ctx: Context
  ) throws(RuntimeError) -> EncodedImage {
    let c = vision.config
    let slices = SliceGrid(rows: views.rows, columns: views.columns, first: 1, side: c.grid)
    let whole = SliceGrid(rows: 1, columns: 1, first: 0, side: c.grid)
    let features = try vision(
      views: views.pictures.count, hook: restore?.hook(restoresWhole ? [whole, slices] : [slices]), progress: { progress?($0, c.layers) }, ctx
    ) { part throws(RuntimeError) in try statistics.pixels(Array(views.pictures[part]), side: c.imageSize, ctx) }

    let perView = tokensPerView
    let tokens = try ctx.arena.tensor(views.pictures.count * (perView + 1), afterRow.columns)
    for part in viewParts(views.pictures.count, tokens: c.patches) {
      let mark = ctx.arena.mark()
      defer { ctx.arena.release(to: mark) }
      let sampled = try sampler(features.slice(rows: part.rows), views: part.views.count, side: c.grid, ctx)
      let to = tokens.slice(rows: part.views.lowerBound * (perView + 1)..<part.views.upperBound * (perView + 1))
      copyRows(sampled, to: to, ctx) { row in
        let (view, token) = row.quotientAndRemainder(dividingBy: perView + 1)
        return token < perView ? view * perView + token : nil
      }
    }
    var plans: [ViewPlan] = []
    for view in 0..<views.pictures.count {
      let first = view * (perView + 1)
      let (row, column) = view == 0 ? (-1, -1) : ((view - 1) / views.columns, (view - 1) % views.columns)
      let separator = view == 0 ? afterWhole : column == views.columns - 1 ? afterRow : betweenSlices
      copy(separator, to: tokens.slice(rows: first + perView..<first + perView + 1), ctx)
      plans.append(ViewPlan(row: row, column: column, area: views.areas[view], firstToken: first, tokens: perView))
    }
    return EncodedImage(tokens: tokens, views: plans)
  }
}
