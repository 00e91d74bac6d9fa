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
    let readings: [AttentionReading?]
    var calls: [String] = []
    var read: [Float] = []

    init(_ asked: [BlockPlaces], _ readings: [AttentionReading?] = [nil, nil, nil]) {
      self.asked = asked
      self.readings = readings
    }

    func places(in layer: Int) -> BlockPlaces { asked[layer] }
    func reading(in layer: Int) -> AttentionReading? { readings[layer] }
    func before(_ x: Tensor, layer: Int, _ ctx: Context) { calls.append("before \(layer)") }
    func besideQueryKeyValue(_ n: Tensor, addingTo qkv: Tensor, views: Range<Int>, layer: Int, _ ctx: Context) {
      calls.append("qkv \(layer) \(views) \(n.rows) \(n.columns) \(qkv.columns)")
    }
    func besideOutput(_ context: Tensor, addingTo attended: Tensor, views: Range<Int>, layer: Int, _ ctx: Context) {
      calls.append("output \(layer) \(views)")
    }
    func besideMLP(_ x: Tensor, addingTo y: Tensor, views: Range<Int>, layer: Int, _ ctx: Context) { calls.append("mlp \(layer) \(views)") }
    func afterAttention(_ read: Tensor, addingTo x: Tensor, layer: Int, _ ctx: Context) {
      calls.append("after \(layer) \(x.rows)")
      self.read = (0..<read.count).map { read.data[$0] }
    }
  }

  @Test func blocksCallWhatIsAskedForInOrder() throws {
    let c = Self.config
    let tower = Tower(c, seed: 5)
    let model = try VisionTransformer(weights(["eye": tower])["eye"], c)
    var random = RandomFloats(state: 1)
    let x = random.next(3 * 12 * 12)
    let ctx = context()
    let hook = Witness([[.before, .products], [], [.products]], [nil, nil, .normed])
    let y = try model(x, views: 1, hook: hook, ctx)
    let first = ["before 0", "qkv 0 0..<1 9 24 72", "output 0 0..<1", "mlp 0 0..<1"]
    #expect(hook.calls == first + ["qkv 2 0..<1 9 24 72", "output 2 0..<1", "after 2 9", "mlp 2 0..<1"])
    // The open path gives what the fused one gives, up to roundings.
    #expect(error(y, tower.reference(x)) < 2e-5)
  }

  /// More views than go through a block at once.
  @Test(arguments: [nil, AttentionReading.residual, .normed, .attended]) func viewsInPartsAreThoseAlone(reading: AttentionReading?) throws {
    let c = Self.config
    let model = try VisionTransformer(weights(["eye": Tower(c, seed: 5)])["eye"], c)
    var random = RandomFloats(state: 1)
    let (views, values) = (500, 3 * 12 * 12)
    let x = random.next(views * values)
    let ctx = context()
    let hook = Witness([[], [.products], []], [reading, nil, nil])
    let all = try x.withUnsafeBufferPointer { try model($0.baseAddress!, views: views, hook: hook, ctx) }
    let parts = [0..<227, 227..<454, 454..<500]
    let after = reading == nil ? [] : ["after 0 4500"]
    #expect(hook.calls == after + parts.flatMap { ["qkv 1 \($0) \(9 * $0.count) 24 72", "output 1 \($0)", "mlp 1 \($0)"] })
    let perView = 9 * 24
    for view in [0, 226, 227, 453, 454, 499] {
      let alone = Witness([[], [.products], []], [reading, nil, nil])
      let y = try model(Array(x[view * values..<(view + 1) * values]), views: 1, hook: alone, ctx)
      #expect((0..<perView).allSatisfy { y.data[$0].bitPattern == all.data[view * perView + $0].bitPattern }, "view \(view)")
      if reading != nil { #expect(alone.read == Array(hook.read[view * perView..<(view + 1) * perView])) }
    }
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
