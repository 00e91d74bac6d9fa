// SPDX-License-Identifier: Apache-2.0
import Encoders
import Regions
import Runtime
import Schema
import WeightFile

/// Ferret's spatial-aware visual sampler (arXiv:2310.07704 §3.2): 512 points of a region are reduced in two stages, in each of which
/// anchors pool their neighbours, and become one vector of the decoder's width.
package final class RegionSampler: RegionEncoder {
  /// Points that a region begins with.
  package static let points = 512
  /// Input points of the two stages.
  package static let stageInputs = (512, 128)
  package var stageInputs: (Int, Int) { Self.stageInputs }
  private static let anchors = [128, 32]
  private static let neighbours = 24

  /// Layers of one stage.
  struct Stage {
    let difference: Linear  // featureSize + 2 → featureSize + 2
    let aggregation: Linear  // 2·(featureSize + 2) → featureSize
    let norm: LayerNorm
  }

  let stages: [Stage]
  let flatten: Linear  // 32·featureSize → featureSize
  let output: Linear  // featureSize → outputSize
  /// Channels of the map that regions are encoded from.
  package let featureSize: Int
  /// True: the map is read with x and y exchanged, as the published checkpoints were trained.
  let isTransposed: Bool
  package let token: [UInt8]
  /// True: mean pooling over an anchor's neighbours; false: max pooling.
  let takesMean: Bool

  /// - Parameters:
  ///   - w: scope with `stages.0`, `stages.1`, `flatten` and `output`.
  ///   - featureSize: channels of the map that regions are encoded from.
  package init(_ w: Weights, _ s: RegionSamplerSettings, featureSize: Int, outputSize: Int) throws(WeightFileError) {
    var stages: [Stage] = []
    for i in 0..<2 {
      let stage = w["stages"][i]
      stages.append(
        Stage(
          difference: try Linear(stage["difference"], from: featureSize + 2, to: featureSize + 2),
          aggregation: try Linear(stage["aggregation"], from: 2 * (featureSize + 2), to: featureSize),
          norm: try LayerNorm(stage["norm"], size: featureSize, epsilon: 1e-5)))
    }
    self.stages = stages
    flatten = try Linear(w["flatten"], from: 32 * featureSize, to: featureSize)
    output = try Linear(w["output"], from: featureSize, to: outputSize)
    self.featureSize = featureSize
    isTransposed = s.isTransposed
    takesMean = s.pooling == .mean
    token = Array(s.token.utf8)
  }

  /// - Returns: `[1, outputSize]`.
  package func callAsFunction(_ map: FeatureMap, _ start: RegionPoints, _ ctx: Context) throws(RuntimeError) -> Tensor {
    guard start.places.count == Self.points else {
      throw .shape(operation: "region points", expected: Self.points, found: start.places.count)
    }
    guard map.values.columns == featureSize else {
      throw .shape(operation: "region features", expected: featureSize, found: map.values.columns)
    }
    var places = start.places
    var features = try read(map, places, ctx)
    for (i, stage) in stages.enumerated() {
      try ctx.check()
      let anchors = places.farthest(Self.anchors[i], from: i == 0 ? start.first.0 : start.first.1)
      features = try gather(stage, places, features, anchors, ctx)
      places = anchors.map { places[$0] }
    }
    return try output(flatten(features.reshaped(1, features.count), ctx), ctx)
  }

  /// Samples the map at `places` bilinearly, with corner pixels at 0 and 1 (`align_corners`).
  private func read(_ map: FeatureMap, _ places: [RegionPoints.Place], _ ctx: Context) throws(RuntimeError) -> Tensor {
    let features = try ctx.arena.tensor(places.count, featureSize)
    ctx.split(rows: places.count, cost: 4 * featureSize) { rows in
      for row in rows {
        let p = places[row]
        let x = tap(isTransposed ? p.y : p.x, map.width)
        let y = tap(isTransposed ? p.x : p.y, map.height)
        let upper = (map.values[y.index * map.width + x.index], map.values[y.index * map.width + x.next])
        let lower = (map.values[y.next * map.width + x.index], map.values[y.next * map.width + x.next])
        let target = features[row]
        for k in 0..<featureSize {
          let top = upper.0[k] * (1 - x.share) + upper.1[k] * x.share
          let bottom = lower.0[k] * (1 - x.share) + lower.1[k] * x.share
          target[k] = top * (1 - y.share) + bottom * y.share
        }
      }
    }
    return features
  }

  /// The two pixels of an axis around `place` (0 … 1), and the second one's weight.
  private func tap(_ place: Float, _ size: Int) -> (index: Int, next: Int, share: Float) {
    // Via −1 … 1, to round as torch's grid_sample does.
    let position = min(max(((2 * place - 1) + 1) / 2 * Float(size - 1), 0), Float(size - 1))
    let index = min(Int(position), size - 1)
    return (index, min(index + 1, size - 1), position - Float(index))
  }

  /// One stage: gathers each anchor's neighbours, fuses their differences with the anchor, and pools. Returns `[anchors, featureSize]`.
  private func gather(
    _ stage: Stage, _ places: [RegionPoints.Place], _ features: Tensor, _ anchors: [Int], _ ctx: Context
  ) throws(RuntimeError) -> Tensor {
    let pooled = try ctx.arena.tensor(anchors.count, featureSize)
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    let count = Self.neighbours
    let width = featureSize + 2
    // u = feature | x | y; the differences u_j − u_a of all anchors' neighbours.
    let differences = try ctx.arena.tensor(anchors.count * count, width)
    ctx.split(rows: anchors.count, cost: places.count * 8) { rows in
      for a in rows {
        let centre = places[anchors[a]]
        for (n, j) in places.nearest(count, to: centre).enumerated() {
          let target = differences[a * count + n]
          let (neighbour, own) = (features[j], features[anchors[a]])
          for k in 0..<featureSize { target[k] = neighbour[k] - own[k] }
          target[featureSize] = places[j].x - centre.x
          target[featureSize + 1] = places[j].y - centre.y
        }
      }
    }
    let compared = try stage.difference(differences, ctx)
    let joined = try ctx.arena.tensor(compared.rows, 2 * width)
    ctx.split(rows: joined.rows, cost: 2 * width) { rows in
      for row in rows {
        let (target, anchor) = (joined[row], anchors[row / count])
        target.update(from: compared[row], count: width)
        (target + width).update(from: features[anchor], count: featureSize)
        target[width + featureSize] = places[anchor].x
        target[width + featureSize + 1] = places[anchor].y
      }
    }
    let mixed = try stage.aggregation(joined, ctx)
    Activation.relu(mixed, ctx)
    try stage.norm(mixed, into: mixed, ctx)
    ctx.split(rows: anchors.count, cost: count * featureSize) { rows in
      for a in rows { pool(mixed, first: a * count, count: count, into: pooled[a]) }
    }
    return pooled
  }

  private func pool(_ x: Tensor, first: Int, count: Int, into y: UnsafeMutablePointer<Float>) {
    y.update(from: x[first], count: featureSize)
    for row in first + 1..<first + count {
      let values = x[row]
      for k in 0..<featureSize { y[k] = takesMean ? y[k] + values[k] : max(y[k], values[k]) }
    }
    guard takesMean else { return }
    for k in 0..<featureSize { y[k] /= Float(count) }
  }
}
