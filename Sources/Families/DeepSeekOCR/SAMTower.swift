// SPDX-License-Identifier: Apache-2.0
import Encoders
import Images
import Runtime
import Schema
import WeightFile

/// SAM's encoder with its 16× token compressor (arXiv:2510.18234 §3.2.1), for square pictures of several sides.
struct SAMTower {
  let model: SAMVisionModel
  let statistics: Normalisation

  /// - Parameter grids: sides in patches of further inputs than the settings'.
  init(_ w: Weights, _ s: SAMSettings, grids: [Int]) throws(WeightFileError) {
    model = try SAMVisionModel(w["sam"], s, grids: grids)
    statistics = Normalisation(s.statistics)
  }

  var layers: Int { model.config.layers }

  /// Side in tokens of a view with a side of `pixels`.
  func side(pixels: Int) -> Int { SAMSettings.side(grid: pixels / model.config.patchSize) }

  /// - Parameters:
  ///   - pictures: squares of equal size.
  ///   - progress: called with blocks done, of `pictures.count · layers`.
  /// - Returns: `[pictures · side², outputSize]`.
  func callAsFunction(_ pictures: [RGBImage], progress: ((Int) -> Void)?, _ ctx: Context) throws(RuntimeError) -> Tensor {
    guard let pixels = pictures.first?.width else { throw .shape(operation: "views of a page", expected: 1, found: 0) }
    let places = side(pixels: pixels) * side(pixels: pixels)
    let features = try ctx.arena.tensor(pictures.count * places, model.config.outputSize)
    // One after the other: each is large enough to occupy all threads.
    for (i, picture) in pictures.enumerated() {
      let mark = ctx.arena.mark()
      defer { ctx.arena.release(to: mark) }
      let input = try statistics.pixels([picture], side: pixels, ctx)
      let one = try model(input, grid: pixels / model.config.patchSize, progress: { progress?(i * layers + $0) }, ctx)
      copy(one, to: features.slice(rows: i * places..<(i + 1) * places), ctx)
    }
    return features
  }
}
