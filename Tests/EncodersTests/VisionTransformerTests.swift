// SPDX-License-Identifier: Apache-2.0
import Encoders
import Runtime
import Testing
import WeightFile

@Suite struct VisionTransformerTests {
  /// SigLIP (arXiv:2303.15343): no class token, a biased patch product, learned positions, GELU by tanh, a norm behind the blocks.
  private static let sigLIP = VisionTransformerConfiguration(
    hiddenSize: 24, intermediateSize: 40, heads: 3, layers: 2, imageSize: 12, patchSize: 4, positionSide: 3, normEpsilon: 1e-6,
    activation: .geluTanh, classToken: .none, normsInput: false, normsOutput: true, hasLayerScale: false)
  private static let clip = VisionTransformerConfiguration(
    hiddenSize: 32, intermediateSize: 48, heads: 2, layers: 3, imageSize: 8, patchSize: 2, positionSide: 4, normEpsilon: 1e-5,
    activation: .quickGELU, classToken: .dropped, normsInput: true, normsOutput: false, hasLayerScale: false)
  private static var clipWithClass: VisionTransformerConfiguration {
    var c = clip
    c.classToken = .kept
    return c
  }
  /// Convolutions in place of the patch embedding (arXiv:2106.14881), behind one of its stages no residual pairs.
  private static var clipWithStem: VisionTransformerConfiguration {
    var c = clip
    (c.imageSize, c.patchSize, c.positionSide) = (24, 8, 3)
    (c.stem.widths, c.stem.depths) = ([5, 20, 7], [1, 0, 2])
    return c
  }
  private static let dinov2 = VisionTransformerConfiguration(
    hiddenSize: 16, intermediateSize: 64, heads: 4, layers: 2, imageSize: 9, patchSize: 3, positionSide: 3, normEpsilon: 1e-6,
    activation: .gelu, classToken: .dropped, normsInput: false, normsOutput: true, hasLayerScale: true)

  /// Idefics' lookup of positions: what torch.bucketize gave for the fractional coordinates of these maps.
  @Test func nearestPositionsAreTheParts() {
    for side in [1, 4, 7, 14, 26, 27, 32] { #expect(PositionTable.nearest(grid: side, side: side) == Array(0..<side)) }
    #expect(PositionTable.nearest(grid: 4, side: 7) == [0, 1, 3, 5])
    #expect(PositionTable.nearest(grid: 7, side: 4) == [0, 0, 1, 1, 2, 2, 3])
    #expect(PositionTable.nearest(grid: 3, side: 1) == [0, 0, 0])
  }

  private func pixels(_ c: VisionTransformerConfiguration, views: Int) -> [Float] {
    var random = RandomFloats(state: 7)
    return random.next(views * 3 * c.imageSize * c.imageSize)
  }

  private func reference(_ tower: Tower, _ x: [Float], views: Int) -> [[Double]] {
    (0..<views).flatMap { tower.reference(Array(x[$0 * x.count / views..<($0 + 1) * x.count / views])) }
  }

  @Test(arguments: [sigLIP, clip, clipWithClass, clipWithStem, dinov2]) func givesWhatTheFormulasGive(c: VisionTransformerConfiguration) throws {
    let tower = Tower(c, seed: 3)
    let model = try VisionTransformer(weights(["eye": tower])["eye"], c)
    let x = pixels(c, views: 2)
    let ctx = context()
    let y = try model(x, views: 2, ctx)
    #expect((y.rows, y.columns) == (2 * c.tokensPerView, c.hiddenSize))
    // f32 sums of up to 64 products through three blocks.
    #expect(error(y, reference(tower, x, views: 2)) < 2e-5)
  }

  /// Two of one kind and one of another in one file, each under a scope of its own, one of them with dots in it.
  @Test func towersStandSideBySide() throws {
    let towers = ["vision": Tower(Self.sigLIP, seed: 1), "second.eye": Tower(Self.sigLIP, seed: 2), "third": Tower(Self.clip, seed: 3)]
    let w = try weights(towers)
    for (scope, tower) in towers {
      let x = pixels(tower.config, views: 1)
      let ctx = context()
      let y = try VisionTransformer(w[scope], tower.config)(x, views: 1, ctx)
      #expect(error(y, reference(tower, x, views: 1)) < 2e-5, "\(scope)")
    }
  }

  /// Positions of another side are resized, the class token's row is not.
  @Test func positionsAreResizedToTheInput() throws {
    var c = Self.dinov2
    c.positionSide = 5
    let tower = Tower(c, seed: 4)
    let w = try weights(["eye": tower])
    let ctx = context()
    let x = pixels(c, views: 1)
    let y = try VisionTransformer(w["eye"], c)(x, views: 1, ctx)

    let table = try #require(tower.plain["position"]).values
    let resized = try Interpolation.bicubic(
      w["eye"].view("position", rows: 26, columns: c.hiddenSize).slice(rows: 1..<26), height: 5, width: 5, toHeight: 3, toWidth: 3, ctx)
    var same = Tower(Self.dinov2, seed: 4)
    same.replacePositions(
      Array(table.prefix(c.hiddenSize)) + UnsafeBufferPointer(start: resized.data, count: resized.count), like: tower)
    #expect(error(y, reference(same, x, views: 1)) < 2e-5)
  }

  @Test func missingPartsAreNamed() throws {
    let w = try weights(["eye": Tower(Self.sigLIP, seed: 1)])
    for change in [{ $0.normsInput = true }, { $0.classToken = .kept }, { $0.hasLayerScale = true }, { $0.positionSide = 4 }]
      as [(inout VisionTransformerConfiguration) -> Void]
    {
      var c = Self.sigLIP
      change(&c)
      #expect(throws: WeightFileError.self) { try VisionTransformer(w["eye"], c) }
    }
  }
}
