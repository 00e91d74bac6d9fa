// SPDX-License-Identifier: Apache-2.0
import Runtime

extension RegionArea {
  /// The initial points of a region sampler, and the start indices of its two farthest-point samplings.
  /// - Parameters:
  ///   - stages: number of input points of the sampler's two stages.
  ///   - name: the region's name in errors.
  package func samplePoints(
    _ region: Region, stages: (Int, Int), name: String, stop: StopSignal = StopSignal()
  ) throws(RegionError) -> RegionPoints {
    let wanted = stages.0
    guard let given = region.start else {
      var random = SplitMix64(seed: region.seed)
      let chosen = try pixels(at: positions(wanted, isEven: region.seed == 0, &random), stop)
      // Fewer pixels than points: all pixels, repeated in order.
      let points = (0..<wanted).map { i in
        i < chosen.count ? chosen[i] : chosen[region.seed == 0 ? i % chosen.count : random.below(chosen.count)]
      }
      let first = region.seed == 0 ? (0, 0) : (random.below(wanted), random.below(stages.1))
      return RegionPoints(points.map(normalised), first: first)
    }
    guard given.points.count == wanted else { throw .startCount(region: name, found: given.points.count, expected: wanted) }
    for p in given.points where p.x < 0 || p.y < 0 || p.x >= width || p.y >= height {
      throw .startOutside(region: name, x: p.x, y: p.y, width: width, height: height)
    }
    guard (0..<stages.0).contains(given.first.0), (0..<stages.1).contains(given.first.1) else {
      throw .startIndices(region: name, found: given.first, limits: stages)
    }
    return RegionPoints(given.points.map(normalised), first: given.first)
  }

  private func normalised(_ p: (x: Int, y: Int)) -> RegionPoints.Place {
    RegionPoints.Place(x: Float(p.x) / Float(width), y: Float(p.y) / Float(height))
  }

  /// Up to `wanted` ascending positions among the pixels, each at most once.
  /// - Parameter isEven: the positions are spread evenly; else they are drawn at random.
  private func positions(_ wanted: Int, isEven: Bool, _ random: inout SplitMix64) -> [Int] {
    guard count > wanted else { return Array(0..<count) }
    if isEven {
      // Σ of i · count stays far below Int.max: an image has at most 2³⁰ pixels.
      return (0..<wanted).map { $0 * count / wanted }
    }
    // Floyd's sampling without replacement (Bentley & Floyd 1987): one draw for each pixel taken.
    var taken: [Int] = []
    for limit in count - wanted..<count {
      let draw = random.below(limit + 1)
      taken.append(taken.contains(draw) ? limit : draw)
    }
    return taken.sorted()
  }
}
