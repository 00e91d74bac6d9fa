// SPDX-License-Identifier: Apache-2.0
import Foundation
import Kernels
import Runtime
import Shims
import Testing
import WeightFile

/// SplitMix64: the same numbers on every machine for a seed.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func floats(_ count: Int, _ range: ClosedRange<Float> = -1...1) -> [Float] {
    (0..<count).map { _ in Float.random(in: range, using: &self) }
  }
}

/// A folder that goes away with the object.
final class TemporaryFolder {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.path + "/fovea-runtime-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ text: String, to name: String) throws {
    let url = URL(fileURLWithPath: path + "/" + name)
    try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: url)
  }
}

/// A context of its own for a test.
func context(threads: Int = 2, limit: Int = .max) -> Context {
  Context(kernels: KernelTable.best(), pool: ThreadPool(threads: threads), arena: Arena(limit: limit))
}

extension Tensor {
  var values: [Float] { withExtendedLifetime(self) { Array(UnsafeBufferPointer(start: data, count: count)) } }
}

extension Context {
  /// `[rows, heads·headSize]` cut into heads.
  func heads(_ values: [Float], rows: Int, headSize: Int) throws(RuntimeError) -> HeadRows {
    let columns = values.count / rows
    let y = try HeadRows(heads: columns / headSize, rows: rows, headSize: headSize, self)
    for (i, value) in values.enumerated() {
      let (row, column) = i.quotientAndRemainder(dividingBy: columns)
      y[column / headSize][row * headSize + column % headSize] = value
    }
    return y
  }

  /// A tensor in the arena with these values.
  func tensor(_ values: [Float], rows: Int) throws(RuntimeError) -> Tensor {
    let t = try arena.tensor(rows, values.count / rows)
    t.data.update(from: values, count: values.count)
    return t
  }
}

/// Runs a computation on one, two and three threads, expects the same bits each time, and returns them.
func onAnyThreads(_ what: String = "", _ body: (Context) throws -> Tensor) throws -> [Float] {
  let one = try body(context(threads: 1)).values
  for threads in [2, 3] {
    // Several times: how work falls to threads differs from run to run.
    let ctx = context(threads: threads)
    for _ in 0..<4 {
      let mark = ctx.arena.mark()
      let several = try body(ctx).values
      ctx.arena.release(to: mark)
      #expect(several.map(\.bitPattern) == one.map(\.bitPattern), "\(what) on \(threads) threads")
    }
  }
  return one
}

/// Largest |a − b| relative to the largest |b|.
func largestError(_ a: [Float], _ b: [Double]) -> Double {
  guard a.count == b.count else { return .infinity }
  let scale = max(b.map(abs).max() ?? 0, 1e-30)
  return zip(a, b).map { abs(Double($0) - $1) }.max().map { $0.isNaN ? .infinity : $0 / scale } ?? 0
}

/// Tensors on their way into a weight file.
struct TestTensor {
  let name: String
  let shape: [Int]
  var encoding = TensorEncoding.f32
  var group = 0
  let bytes: [UInt8]

  init(_ name: String, _ shape: [Int], _ encoding: TensorEncoding, _ group: Int, _ bytes: [UInt8]) {
    (self.name, self.shape, self.encoding, self.group, self.bytes) = (name, shape, encoding, group, bytes)
  }

  /// A plain f32 tensor.
  init(_ name: String, _ shape: [Int], _ values: [Float]) {
    self.name = name
    self.shape = shape
    bytes = values.withUnsafeBytes { Array($0) }
  }

  /// A plain f16 tensor.
  init(_ name: String, _ shape: [Int], halves: [Float]) {
    self.name = name
    self.shape = shape
    encoding = .f16
    bytes = halves.map { Float16($0).bitPattern }.withUnsafeBytes { Array($0) }
  }

  /// A packed matrix with the values of `w`, `[outputs, inputs]`.
  init(_ name: String, _ w: [Float], _ outputs: Int, _ inputs: Int, _ encoding: TensorEncoding, group: Int = 64) throws {
    self.name = name
    shape = [outputs, inputs]
    self.encoding = encoding
    self.group = encoding.codes.map { $0.scale == .half ? group : 32 } ?? 0
    bytes = try packed(w, try #require(PackedLayout(encoding: encoding, outputs: outputs, inputs: inputs, group: self.group)))
  }
}

extension TestTensor {
  /// Packed matrices with the values of `w`, `[matrices, outputs, inputs]`.
  init(_ name: String, _ w: [Float], matrices: Int, _ outputs: Int, _ inputs: Int, _ encoding: TensorEncoding, group: Int = 64) throws {
    let size = outputs * inputs
    let parts = try (0..<matrices).map {
      try TestTensor(name, Array(w[$0 * size..<($0 + 1) * size]), outputs, inputs, encoding, group: group)
    }
    self.init(name, [matrices, outputs, inputs], encoding, parts[0].group, parts.flatMap(\.bytes))
  }
}

/// Plain absmax quantization: enough for tests.
private func packed(_ w: [Float], _ layout: PackedLayout) throws -> [UInt8] {
  var bytes = [UInt8](repeating: 0, count: layout.byteCount)
  bytes.withUnsafeMutableBytes { to in
    for row in 0..<layout.blocks * 16 {
      let block = row / 16 * layout.blockStride
      let lane = row % 16
      func weight(_ k: Int) -> Float { row < layout.outputs && k < layout.inputs ? w[row * layout.inputs + k] : 0 }
      switch layout.encoding {
      case .f32, .f32x16:
        for k in 0..<layout.inputs { to.storeBytes(of: weight(k), toByteOffset: block + (k * 16 + lane) * 4, as: Float.self) }
      case .f16, .f16x16:
        for k in 0..<layout.inputs {
          to.storeBytes(of: Float16(weight(k)).bitPattern, toByteOffset: block + (k * 16 + lane) * 2, as: UInt16.self)
        }
      case .q8x16, .q4x16:
        let most: Float = layout.encoding == .q8x16 ? 127 : 7
        for g in 0..<layout.groups {
          let inputs = g * layout.group..<(g + 1) * layout.group
          let scale = Float16((inputs.map { abs(weight($0)) }.max() ?? 0) / most)
          to.storeBytes(of: scale.bitPattern, toByteOffset: block + (g * 16 + lane) * 2, as: UInt16.self)
          for k in inputs {
            let level = scale == 0 ? 0 : min(max((weight(k) / Float(scale)).rounded(.toNearestOrEven), -most), most)
            if layout.encoding == .q8x16 {
              to[block + layout.payloadOffset + k / 4 * 64 + lane * 4 + k % 4] = UInt8(Int(level) + 128)
            } else {
              let at = block + layout.payloadOffset + k / 8 * 64 + lane * 4 + k % 4
              to[at] |= UInt8(Int(level) + 8) << (k % 8 < 4 ? 0 : 4)
            }
          }
        }
      case .n4x16, .q5x16, .q6x16: packSmallGroups(weight, layout, row, to)
      }
    }
  }
  return bytes
}

/// One row in groups of 32 with scales of a byte, the largest weight of a group near the end of the range.
private func packSmallGroups(_ weight: (Int) -> Float, _ layout: PackedLayout, _ row: Int, _ to: UnsafeMutableRawBufferPointer) {
  let bits = layout.encoding == .n4x16 ? 4 : layout.encoding == .q5x16 ? 5 : 6
  let values = bits == 4 ? (0..<16).map { Float(fovea_codebook4()[$0]) } : (0..<1 << bits).map { Float($0 - (1 << (bits - 1))) }
  let (block, lane) = (row / 16 * layout.blockStride, row % 16)
  let rowScale = ((0..<layout.inputs).map { abs(weight($0)) }.max() ?? 0) / (values.last ?? 1)
  to.storeBytes(of: rowScale, toByteOffset: block + 4 * lane, as: Float.self)
  for g in 0..<layout.groups {
    let largest = (g * 32..<g * 32 + 32).map { abs(weight($0)) }.max() ?? 0
    // The least byte whose scale reaches it.
    let byte = (0..<128).first { rowScale * Float(bitPattern: fovea_small_scale_bits(UInt8($0))) * (values.last ?? 1) >= largest } ?? 127
    let scale = rowScale * Float(bitPattern: fovea_small_scale_bits(UInt8(byte)))
    to[block + 64 + g * 16 + lane] = UInt8(byte)
    for k in g * 32..<g * 32 + 32 {
      let x = scale == 0 ? 0 : weight(k) / scale
      let code = values.indices.min { abs(values[$0] - x) < abs(values[$1] - x) } ?? 0
      let part = block + layout.payloadOffset + g * 64 * bits
      let (quarter, half, byte) = (k % 32 / 8, k / 4 % 2, 4 * lane + k % 4)
      to[part + 64 * quarter + byte] |= UInt8(code & 15) << (4 * half)
      if bits == 5 { to[part + 256 + byte] |= UInt8(code >> 4) << (2 * quarter + half) }
      if bits == 6 { to[part + 256 + 64 * (quarter / 2) + byte] |= UInt8(code >> 4) << (4 * (quarter % 2) + 2 * half) }
    }
  }
}

/// A weight file with these tensors, opened and loaded.
func weights(
  _ tensors: [TestTensor], compression: WeightFileWriter.Compression = .none, inPlace: Bool = true, threads: Int = 2
) throws -> Weights {
  let folder = try TemporaryFolder()
  let file = try WeightFile(path: write(tensors, in: folder, compression), maps: inPlace)
  return try WeightStore(file, pool: ThreadPool(threads: threads), kernels: KernelTable.best()).root
}

func write(_ tensors: [TestTensor], in folder: TemporaryFolder, _ compression: WeightFileWriter.Compression) throws -> String {
  let path = folder.path + "/model.fovea"
  let writer = try WeightFileWriter(path: path, compression: compression)
  for t in tensors {
    try add(t, to: writer)
  }
  try writer.finish()
  return path
}

private func add(_ t: TestTensor, to writer: WeightFileWriter) throws {
  let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: t.bytes.count, alignment: 64)
  defer { bytes.deallocate() }
  bytes.copyBytes(from: t.bytes)
  try writer.addTensor(name: t.name, shape: t.shape, encoding: t.encoding, group: t.group, bytes: UnsafeRawBufferPointer(bytes))
}

/// A host's memory, all of it NaN.
let spoiltMemory = HostMemory {
  let block = aligned_alloc(HostMemory.alignment, ($0 + HostMemory.alignment - 1) & -HostMemory.alignment)
  if let block { memset(block, 0xFF, $0) }
  return block
} deallocate: { block, _ in
  free(block)
}
