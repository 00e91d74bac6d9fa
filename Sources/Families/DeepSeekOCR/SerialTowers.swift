// SPDX-License-Identifier: Apache-2.0
import Encoders
import Images
import Runtime
import Schema
import WeightFile

/// DeepEncoder (arXiv:2510.18234 §3.2.1): SAM's encoder with a 16× token compressor, then CLIP on its output; the channels of both are
/// concatenated, CLIP's first, and projected to the decoder's width.
struct SerialTowers {
  let sam: SAMTower
  let clip: VisionTransformer
  let projector: Linear

  init(_ w: Weights, _ s: DeepSeekOCRSettings) throws(WeightFileError) {
    sam = try SAMTower(w, s.sam, grids: DeepSeekOCRSettings.grids(patchSize: s.sam.patchSize, own: s.sam.grid))
    var configuration = VisionTransformerConfiguration(s.vision)
    configuration.readsFeatures = true
    clip = try VisionTransformer(w["vision"], configuration)
    projector = try Linear(w["projector"], from: s.vision.hiddenSize + s.sam.outputSize, to: s.decoder.hiddenSize)
  }

  /// Side in tokens of a view with a side of `pixels`.
  func side(pixels: Int) -> Int { sam.side(pixels: pixels) }

  /// - Parameters:
  ///   - pictures: squares of equal size.
  ///   - progress: called with blocks done: the first tower's for each picture, then the second's.
  /// - Returns: `[pictures · side², outputSize]`.
  func callAsFunction(_ pictures: [RGBImage], progress: ((Int) -> Void)?, _ ctx: Context) throws(RuntimeError) -> Tensor {
    guard let pixels = pictures.first?.width else { throw .shape(operation: "views of a page", expected: 1, found: 0) }
    let side = side(pixels: pixels)
    let y = try ctx.arena.tensor(pictures.count * side * side, projector.outputSize)
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    let features = try sam(pictures, progress: progress, ctx)
    let done = pictures.count * sam.layers
    let seen = try clip(features: features, views: pictures.count, side: side, progress: { progress?(done + $0) }, ctx)
    let both = try ctx.arena.tensor(features.rows, seen.columns + features.columns)
    copyColumns(seen, to: both, column: 0, ctx)
    copyColumns(features, to: both, column: seen.columns, ctx)
    try projector(both, into: y, ctx)
    return y
  }
}
