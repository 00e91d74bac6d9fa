// SPDX-License-Identifier: Apache-2.0
import Conversion
import Quantization
import Testing
import WeightFile

@Suite struct ErrorFeedbackTests {
  private let inputs = 96

  /// Inputs that go together: each is mostly a mixture of six.
  private func samples(_ count: Int) -> [[Float]] {
    var numbers = Numbers(seed: 21)
    let mixture = (0..<inputs).map { _ in (0..<6).map { _ in numbers.normal() } }
    return (0..<count).map { _ in
      let causes = (0..<6).map { _ in numbers.normal() }
      return mixture.map { weights in zip(weights, causes).reduce(0.2 * numbers.normal()) { $0 + $1.0 * $1.1 } }
    }
  }

  private func importance(_ samples: [[Float]], block: Int) -> InputImportance {
    let n = Float(samples.count)
    let squares = (0..<inputs).map { k in samples.reduce(Float(0)) { $0 + $1[k] * $1[k] } / n }
    guard block > 0 else { return InputImportance(meanSquares: squares) }
    var moments = [Float](repeating: 0, count: inputs * block)
    for i in 0..<inputs {
      for j in i / block * block..<min((i / block + 1) * block, inputs) {
        moments[i * block + j % block] = samples.reduce(Float(0)) { $0 + $1[i] * $1[j] } / n
      }
    }
    return InputImportance(meanSquares: squares, moments: moments)
  }

  /// Relative error of the outputs over the samples, the same with the damping, and what the packer says of it.
  private func outputError(
    _ encoding: TensorEncoding, _ importance: InputImportance, _ samples: [[Float]]
  ) throws -> (
    found: Double, damped: Double, reported: Double
  ) {
    let layout = try #require(PackedLayout(encoding: encoding, outputs: 16, inputs: inputs, group: 32))
    var numbers = Numbers(seed: 22)
    let rows = (0..<16 * inputs).map { _ in numbers.normal() }
    let block = UnsafeMutableRawPointer.allocate(byteCount: layout.blockStride, alignment: 64)
    defer { block.deallocate() }
    var error = PackingError()
    #expect(BlockPacker(layout: layout, importance: importance).pack(rows, into: block, error: &error) == nil)
    // A tenth of each input's squares, and 1e-5 of their mean.
    let squares = (0..<inputs).map { k in samples.reduce(0.0) { $0 + Double($1[k] * $1[k]) } }
    let dampings = squares.map { 0.1 * $0 + 1e-5 * squares.reduce(0, +) / Double(inputs) }
    var (squared, power, lost, own) = (0.0, 0.0, 0.0, 0.0)
    var row = [Float](repeating: 0, count: inputs)
    for r in 0..<16 {
      layout.readRow(r, from: block, into: &row)
      let weights = rows[r * inputs..<(r + 1) * inputs]
      for (damping, (weight, read)) in zip(dampings, zip(weights, row)) {
        lost += damping * Double((weight - read) * (weight - read))
        own += damping * Double(weight * weight)
      }
      for x in samples {
        let exact = zip(weights, x).reduce(0.0) { $0 + Double($1.0 * $1.1) }
        let packed = zip(row, x).reduce(0.0) { $0 + Double($1.0 * $1.1) }
        squared += (exact - packed) * (exact - packed)
        power += exact * exact
      }
    }
    return ((squared / power).squareRoot(), ((squared + lost) / (power + own)).squareRoot(), error.weightedRelative)
  }

  @Test(arguments: [TensorEncoding.q4x16, .n4x16, .q5x16, .q8x16]) func outputsLoseLess(encoding: TensorEncoding) throws {
    let samples = samples(400)
    let plain = try outputError(encoding, importance(samples, block: 0), samples).found
    let blocks = try outputError(encoding, importance(samples, block: 32), samples)
    let whole = try outputError(encoding, importance(samples, block: 96), samples)
    #expect(whole.found < 0.4 * plain && blocks.found < 0.8 * plain, "\(plain) \(blocks) \(whole)")
    #expect(abs(whole.reported - whole.damped) < 1e-3 * whole.damped, "\(whole)")
  }

  @Test func momentsThatNoSamplesHaveAreLeftAlone() throws {
    let samples = samples(50)
    let squares = importance(samples, block: 0)
    let plain = try outputError(.n4x16, squares, samples).found
    // Not positive definite, of the wrong size, zero, and huge.
    for moments in [
      (0..<inputs * inputs).map { Float($0 % (inputs + 1) == 0 ? 1 : 5) }, [Float](repeating: 1, count: 7),
      [Float](repeating: 0, count: inputs * inputs), [Float](repeating: -.greatestFiniteMagnitude, count: inputs * inputs),
    ] {
      let means = (0..<inputs).map { k in samples.reduce(Float(0)) { $0 + $1[k] * $1[k] } / 50 }
      let found = try outputError(.n4x16, InputImportance(meanSquares: means, moments: moments), samples).found
      #expect(found == plain)
    }
  }

  @Test func hugeWeightsStayWeights() throws {
    let layout = try #require(PackedLayout(encoding: .n4x16, outputs: 16, inputs: inputs, group: 32))
    let rows = (0..<16 * inputs).map { Float($0 % 3 == 0 ? 3e38 : -1e38) }
    let block = UnsafeMutableRawPointer.allocate(byteCount: layout.blockStride, alignment: 64)
    defer { block.deallocate() }
    var error = PackingError()
    #expect(BlockPacker(layout: layout, importance: importance(samples(50), block: 96)).pack(rows, into: block, error: &error) == nil)
    var row = [Float](repeating: .nan, count: inputs)
    layout.readRow(3, from: block, into: &row)
    #expect(row.allSatisfy { $0.isFinite })
  }
}
