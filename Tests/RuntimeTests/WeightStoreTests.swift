// SPDX-License-Identifier: Apache-2.0
import Foundation
import Kernels
import Runtime
import Testing
import WeightFile

@Suite struct WeightStoreTests {
  /// Tensors of all kinds, some of several frames.
  private func sample() throws -> [TestTensor] {
    var random = SeededGenerator(3)
    var tensors: [TestTensor] = [
      TestTensor("norm.weight", [100], random.floats(100)),
      TestTensor("norm.bias", [100], halves: random.floats(100)),
      TestTensor("position", [600, 1000], halves: random.floats(600_000)),
      TestTensor("table", [3, 5, 7], random.floats(105)),
    ]
    for (i, encoding) in [TensorEncoding.f32x16, .f16x16, .q8x16, .q4x16, .n4x16, .q5x16, .q6x16].enumerated() {
      tensors.append(try TestTensor("layers.\(i).weight", random.floats(500 * 900), 500, 900, encoding))
    }
    return tensors
  }

  private func rows(_ m: PackedMatrix) -> [Float] {
    var values = [Float](repeating: 0, count: m.layout.outputs * m.layout.inputs)
    values.withUnsafeMutableBufferPointer { to in
      for row in 0..<m.layout.outputs { m.layout.readRow(row, from: m.data, into: to.baseAddress! + row * m.layout.inputs) }
    }
    return values
  }

  @Test(arguments: [(WeightFileWriter.Compression.none, true), (.none, false), (.zstd, true), (.auto, true)])
  func tensorsAreTheSameHoweverTheyAreStored(compression: WeightFileWriter.Compression, inPlace: Bool) throws {
    let tensors = try sample()
    for threads in [1, 3] {
      let w = try weights(tensors, compression: compression, inPlace: inPlace, threads: threads)
      for t in tensors where t.encoding == .f32 {
        let p = try w.table(t.name, shape: t.shape)
        #expect(Data(bytes: p, count: t.bytes.count) == Data(t.bytes))
      }
      for t in tensors where t.encoding == .f16 {
        let p = try w.table(t.name, shape: t.shape)
        let halves = t.bytes.withUnsafeBytes { Array($0.bindMemory(to: UInt16.self)) }
        #expect(halves.indices.allSatisfy { p[$0] == Float(Float16(bitPattern: halves[$0])) })
      }
      for t in tensors where t.encoding.isPacked {
        let m = try w.matrix(t.name, outputs: t.shape[0], inputs: t.shape[1])
        #expect(Data(bytes: m.data, count: t.bytes.count) == Data(t.bytes))
        #expect(UInt(bitPattern: m.data) % 64 == 0)
        #expect(rows(m).count == 450_000)
      }
    }
  }

  @Test func rawTensorsStayInTheFile() throws {
    let tensors = try sample()
    let packed = tensors.filter { $0.encoding != .f16 }.map(\.bytes.count).reduce(0, +)
    let halves = tensors.filter { $0.encoding == .f16 }.map(\.bytes.count).reduce(0, +)
    let raw = try weights(tensors, compression: .none).store
    #expect(raw.mappedBytes == packed)
    #expect(raw.residentBytes >= 2 * halves && raw.residentBytes < 2 * halves + 64 * tensors.count)
    let copied = try weights(tensors, compression: .none, inPlace: false).store
    #expect(copied.mappedBytes == 0)
    #expect(copied.residentBytes >= packed + 2 * halves)
  }

  /// The system maps much more around each page of a file that is touched.
  @Test func ofAMostlyCompressedFileNothingStaysMapped() throws {
    var random = SeededGenerator(7)
    let few = (0..<512 * 512).map { _ in Float(Int.random(in: 0..<4, using: &random)) }
    let folder = try TemporaryFolder()
    let large = try TestTensor("large.weight", few, 512, 512, .f32x16)
    let small = try TestTensor("small.weight", random.floats(16 * 16), 16, 16, .f32x16)
    let file = try WeightFile(path: write([large, small], in: folder, .auto))
    #expect(file.records.map(\.isCompressed) == [true, false])
    let store = try WeightStore(file, pool: ThreadPool(threads: 1), kernels: KernelTable.best())
    #expect(store.mappedBytes == 0 && store.residentBytes >= large.bytes.count + small.bytes.count)
    #expect(try WeightStore(planning: file).residentBytes == store.residentBytes)
  }

  @Test func scopesSpellNames() throws {
    let w = try weights(sample())
    #expect(w["layers"]["2"].has("weight"))
    #expect(w["layers"][2].has("weight"))
    #expect(w["layers.2"].has("weight"))
    #expect(!w["layers"][7].has("weight"))
    #expect(!w.has("layers"))
    #expect(w["norm"].fullName("bias") == "norm.bias")
    #expect(w["norm"].shape("bias") == [100])
    #expect(w["norm"].shape("scale") == nil)
  }

  @Test func aMissingTensorIsNamed() throws {
    let w = try weights(sample())
    let error = #expect(throws: WeightFileError.self) { try w["layers"]["9"].matrix("weight", outputs: 5, inputs: 5) }
    #expect(error?.description.contains("layers.9.weight") == true)
  }

  @Test func anotherShapeIsNamedWithBothShapes() throws {
    let w = try weights(sample())
    let vector = #expect(throws: WeightFileError.self) { try w["norm"].vector("weight", count: 64) }
    let text = try #require(vector).description
    #expect(text.contains("norm.weight") && text.contains("64") && text.contains("100"))
    let matrix = #expect(throws: WeightFileError.self) { try Linear(w["layers"]["0"], from: 900, to: 501) }
    #expect(try #require(matrix).description.contains("501"))
    #expect(throws: WeightFileError.self) { try w.table("table", shape: [105]) }
  }

  @Test func plainAndPackedTensorsAreNotMixedUp() throws {
    let w = try weights(sample())
    #expect(throws: WeightFileError.self) { try w.table("layers.0.weight", shape: [500, 900]) }
    #expect(throws: WeightFileError.self) { try w.matrix("position", outputs: 600, inputs: 1000) }
  }

  @Test func progressEndsWithEverything() throws {
    let folder = try TemporaryFolder()
    let tensors = try sample()
    let file = try WeightFile(path: write(tensors, in: folder, .zstd))
    var reports: [(Int, Int)] = []
    _ = try WeightStore(file, pool: ThreadPool(threads: 2), kernels: KernelTable.best()) { done, total in
      reports.append((done, total))
      return true
    }
    let total = tensors.map(\.bytes.count).reduce(0, +)
    #expect(reports.first?.0 == 0)
    #expect(reports.last?.0 == total)
    #expect(reports.allSatisfy { $0.1 == total })
    #expect(zip(reports, reports.dropFirst()).allSatisfy { $0.0 <= $1.0 })
  }

  @Test func loadingCanBeStopped() throws {
    let folder = try TemporaryFolder()
    let file = try WeightFile(path: write(try sample(), in: folder, .zstd))
    let pool = ThreadPool(threads: 2)
    let refused = #expect(throws: RuntimeError.self) {
      try WeightStore(file, pool: pool, kernels: KernelTable.best()) { _, _ in false }
    }
    guard case .cancelled = refused else { throw try #require(refused) }
    let stop = StopSignal()
    let cancelled = #expect(throws: RuntimeError.self) {
      try WeightStore(file, pool: pool, kernels: KernelTable.best(), stop: stop) { _, _ in
        stop.cancel()
        return true
      }
    }
    guard case .cancelled = cancelled else { throw try #require(cancelled) }
  }

  @Test func decodingKeepsToItsLimit() throws {
    let folder = try TemporaryFolder()
    let file = try WeightFile(path: write(try sample(), in: folder, .zstd))
    let pool = ThreadPool(threads: 2)
    let error = #expect(throws: RuntimeError.self) { try WeightStore(file, pool: pool, kernels: KernelTable.best(), limit: 1 << 20) }
    guard case .outOfMemory(let bytes) = error else { throw try #require(error) }
    #expect(bytes > 1 << 20)
    #expect(try WeightStore(file, pool: pool, kernels: KernelTable.best(), limit: bytes).residentBytes <= bytes)
  }

  @Test func aDamagedFrameIsAnErrorThatNamesItsTensor() throws {
    let folder = try TemporaryFolder()
    let path = try write(try sample(), in: folder, .zstd)
    var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    bytes[bytes.count / 3] ^= 1
    try bytes.write(to: URL(fileURLWithPath: path))
    let file = try WeightFile(path: path)
    let error = #expect(throws: RuntimeError.self) {
      try WeightStore(file, pool: ThreadPool(threads: 2), kernels: KernelTable.best())
    }
    guard case .weights(let cause) = error else { throw try #require(error) }
    #expect(file.records.contains { cause.description.contains($0.name) })
  }

  @Test func aLayerKeepsItsWeightsAlive() throws {
    var random = SeededGenerator(4)
    let values = random.floats(32)
    weak var store: WeightStore?
    var norm: RMSNorm?
    do {
      let w = try weights([TestTensor("n.weight", [32], values)], compression: .zstd)
      store = w.store
      norm = try RMSNorm(w["n"], size: 32, epsilon: 1e-5)
    }
    #expect(store != nil)
    let ctx = context()
    let y = try norm?(try ctx.tensor(random.floats(32), rows: 1), ctx)
    #expect(try #require(y).values.contains { $0 != 0 })
    norm = nil
    #expect(store == nil)
  }
}
