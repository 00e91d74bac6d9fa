// SPDX-License-Identifier: Apache-2.0
import Encoders
import Runtime
import Testing

@Suite struct BlockHookTests {
  private static let config = VisionTransformerConfiguration(
    hiddenSize: 24, intermediateSize: 40, heads: 3, layers: 3, imageSize: 12, patchSize: 4, positionSide: 3, normEpsilon: 1e-6,
    activation: .gelu, classToken: .none, normsInput: false, normsOutput: true, hasLayerScale: true)

  /// Notes its calls; changes nothing.
  private final class Witness: BlockHook {
    let asked: [BlockPlaces]
    var calls: [String] = []

    init(_ asked: [BlockPlaces]) { self.asked = asked }

    func places(in layer: Int) -> BlockPlaces { asked[layer] }
    func before(_ x: Tensor, layer: Int, _ ctx: Context) { calls.append("before \(layer)") }
    func besideQueryKeyValue(_ n: Tensor, addingTo qkv: Tensor, layer: Int, _ ctx: Context) {
      calls.append("qkv \(layer) \(n.columns) \(qkv.columns)")
    }
    func besideOutput(_ context: Tensor, addingTo attended: Tensor, layer: Int, _ ctx: Context) { calls.append("output \(layer)") }
    func besideMLP(_ x: Tensor, addingTo y: Tensor, layer: Int, _ ctx: Context) { calls.append("mlp \(layer)") }
    func join(_ attended: Tensor, normed: Tensor, to x: Tensor, layer: Int, _ ctx: Context) {
      calls.append("join \(layer)")
      add(attended, to: x, ctx)
    }
  }

  @Test func blocksCallWhatIsAskedForInOrder() throws {
    let c = Self.config
    let tower = Tower(c, seed: 5)
    let model = try VisionTransformer(weights(["eye": tower])["eye"], c)
    var random = RandomFloats(state: 1)
    let x = random.next(3 * 12 * 12)
    let ctx = context()
    let hook = Witness([[.before, .products], [], [.attention, .products]])
    let y = try model(x, views: 1, hook: hook, ctx)
    #expect(hook.calls == ["before 0", "qkv 0 24 72", "output 0", "mlp 0", "qkv 2 24 72", "output 2", "join 2", "mlp 2"])
    // The open path gives what the fused one gives, up to roundings.
    #expect(error(y, tower.reference(x)) < 2e-5)
  }

  @Test func aHookThatAsksForNothingChangesNoBit() throws {
    let c = Self.config
    let model = try VisionTransformer(weights(["eye": Tower(c, seed: 5)])["eye"], c)
    var random = RandomFloats(state: 1)
    let x = random.next(3 * 12 * 12)
    let ctx = context()
    let (a, b) = (try model(x, views: 1, ctx), try model(x, views: 1, hook: Witness([[], [], []]), ctx))
    #expect((0..<a.count).allSatisfy { a.data[$0].bitPattern == b.data[$0].bitPattern })
  }
}
