// SPDX-License-Identifier: Apache-2.0
import Encoders

extension RegionArea {
  /// The points a region sampler begins with, and where its two farthest-point samplings start.
  /// - Parameter name: what errors call the region.
  package func samplePoints(_ region: Region, name: String) throws(FoveaError) -> RegionPoints {
    let wanted = RegionSampler.points
    guard let given = region.start else {
      var random = RandomNumbers(seed: region.seed)
      let chosen = pixels(at: sampled(wanted, &random))
      // Fewer pixels than points: every pixel once, then again.
      let points = (0..<wanted).map { i in
        i < chosen.count ? chosen[i] : chosen[region.seed == 0 ? i % chosen.count : random.below(chosen.count)]
      }
      let first = region.seed == 0 ? (0, 0) : (random.below(wanted), random.below(RegionSampler.stageInputs[1]))
      return RegionPoints(points.map(normalised), first: first)
    }
    guard given.points.count == wanted else {
      throw FoveaError(.argument, "\(name): \(given.points.count) points were given, the sampler begins with \(wanted)")
    }
    for p in given.points where p.x < 0 || p.y < 0 || p.x >= width || p.y >= height {
      throw FoveaError(.argument, "\(name): its point (\(p.x), \(p.y)) lies outside the image of \(width) × \(height)")
    }
    let limits = RegionSampler.stageInputs
    guard (0..<limits[0]).contains(given.first.0), (0..<limits[1]).contains(given.first.1) else {
      throw FoveaError(
        .argument,
        "\(name): its starts (\(given.first.0), \(given.first.1)) should be below \(limits[0]) and \(limits[1]) and not negative")
    }
    return RegionPoints(given.points.map(normalised), first: given.first)
  }

  private func normalised(_ p: (x: Int, y: Int)) -> RegionPoints.Place {
    RegionPoints.Place(x: Float(p.x) / Float(width), y: Float(p.y) / Float(height))
  }

  /// Up to `wanted` ascending positions among the pixels, each at most once.
  private func sampled(_ wanted: Int, _ random: inout RandomNumbers) -> [Int] {
    guard count > wanted else { return Array(0..<count) }
    if random.isEven {
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

/// SplitMix64; seed 0 stands for no randomness at all.
private struct RandomNumbers {
  let isEven: Bool
  private var state: UInt64

  init(seed: UInt64) {
    isEven = seed == 0
    state = seed
  }

  /// A number in `0 ..< limit`, which is above 0.
  mutating func below(_ limit: Int) -> Int {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    z ^= z >> 31
    // The upper half of the product: even up to 2⁻³² for the sizes met here.
    return Int(z.multipliedFullWidth(by: UInt64(limit)).high)
  }
}
