// SPDX-License-Identifier: Apache-2.0
import Conversion
import Quantization
import Testing
import WeightFile

@Suite struct MixedPrecisionTests {
  private func tensor(_ weights: Int, _ losses: (four: Double, eight: Double)) -> [MixedPrecision.Candidate] {
    [
      MixedPrecision.Candidate(encoding: .q8x16, group: 128, byteCount: weights, loss: losses.eight),
      MixedPrecision.Candidate(encoding: .q4x16, group: 64, byteCount: weights / 2, loss: losses.four),
    ]
  }

  @Test func bytesGoWhereTheyLessenTheLossMost() throws {
    let tensors = [tensor(1000, (0.5, 0)), tensor(100, (0.1, 0)), tensor(1000, (0.2, 0)), tensor(100, (0.01, 0))]
    func eights(_ budget: Int) -> [Bool]? { MixedPrecision.choose(tensors, budget: budget)?.map { $0.encoding == .q8x16 } }
    #expect(eights(1099) == nil)
    #expect(eights(1100) == [false, false, false, false])
    // By loss for a byte: the second, the first, the third, the fourth; what does not fit is passed over.
    #expect(eights(1150) == [false, true, false, false])
    #expect(eights(1200) == [false, true, false, true])
    #expect(eights(1650) == [true, true, false, false])
    #expect(eights(2150) == [true, true, true, false])
    #expect(eights(1_000_000) == [true, true, true, true])
  }

  @Test func conversionKeepsToTheTarget() throws {
    let folder = try TemporaryFolder()
    func convert(_ target: Converter.Target?) throws -> (decoder: Double, all: Int, encodings: Set<String>) {
      var options = Converter.Options()
      options.type = .int4
      options.group = 32
      options.target = target
      let reports = try Converter(OpenCheckpoint(path: Fixture.checkpoint("llava")), options: options).write(to: folder.path + "/m.fovea")
      let matrices = reports.filter { $0.name.hasPrefix("language.") && $0.shape.count == 2 }
      let weights = matrices.reduce(0) { $0 + $1.shape.reduce(1, *) }
      return (
        8 * Double(matrices.reduce(0) { $0 + $1.byteCount }) / Double(weights), reports.reduce(0) { $0 + $1.byteCount },
        Set(matrices.map(\.encoding.name))
      )
    }
    let (usual, large) = (try convert(nil), try convert(.bitsPerWeight(60)))
    #expect(large.encodings == ["q8x16"])
    let middle = try convert(.bitsPerWeight((large.decoder + usual.decoder) / 2))
    #expect(middle.decoder <= (large.decoder + usual.decoder) / 2 && middle.encodings.count > 1)
    #expect(try convert(.bytes(usual.all)).all <= usual.all)
    expectFailure("too small", "at least") { _ = try convert(.bytes(1000)) }
  }

  @Test func aTargetNeedsInt4() {
    var options = Converter.Options()
    options.target = .bitsPerWeight(5)
    expectFailure("int4") { _ = try Converter(OpenCheckpoint(path: Fixture.checkpoint("llava")), options: options) }
  }
}
