// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing
import WeightFile

/// A folder that goes away with the object.
final class TemporaryFolder {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.path + "/fovea-weightfile-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String = "model.fovea") -> String { path + "/" + name }
  func contents() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }
}

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

  /// A sum of four uniform numbers: bell-shaped, standard deviation near 0.02.
  mutating func weight() -> Float {
    var (bits, sum) = (next(), Int64(0))
    for _ in 0..<4 {
      sum += Int64(bits & 0xFFFF) - 0x8000
      bits >>= 16
    }
    return Float(sum) * 0.0173 / 0x8000
  }
}

/// One tensor to write.
struct Sample {
  let name: String
  let shape: [Int]
  let encoding: TensorEncoding
  var group = 0
  let bytes: [UInt8]

  /// Weights such as a checkpoint has; for quantized encodings codes of about four bits' entropy.
  init(_ name: String, _ shape: [Int], _ encoding: TensorEncoding, group: Int = 0, seed: UInt64 = 1) {
    var random = SeededGenerator(seed)
    let size =
      encoding.isPacked
      ? shape.dropLast(2).reduce(1, *)
        * PackedLayout(encoding: encoding, outputs: shape[shape.count - 2], inputs: shape[shape.count - 1], group: group)!.byteCount
      : shape.reduce(encoding == .f32 ? 4 : 2, *)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(size)
    while bytes.count < size {
      switch encoding {
      case .f32, .f32x16:
        let bits = random.weight().bitPattern
        for shift in stride(from: UInt32(0), to: 32, by: 8) { bytes.append(UInt8(truncatingIfNeeded: bits >> shift)) }
      case .f16, .f16x16:
        let bits = Half.bits(random.weight())
        bytes.append(UInt8(truncatingIfNeeded: bits))
        bytes.append(UInt8(truncatingIfNeeded: bits >> 8))
      case .q8x16: bytes.append(UInt8(clamping: 128 + Int(random.weight() * 1000)))
      default: bytes.append(UInt8(truncatingIfNeeded: random.next()))
      }
    }
    self.init(name, shape, encoding, group: group, bytes: Array(bytes.prefix(size)))
  }

  init(_ name: String, _ shape: [Int], _ encoding: TensorEncoding, group: Int = 0, bytes: [UInt8]) {
    (self.name, self.shape, self.encoding, self.group, self.bytes) = (name, shape, encoding, group, bytes)
  }
}

func write(_ samples: [Sample], to path: String, compression: WeightFileWriter.Compression = .auto, metadata: [(String, MetadataValue)] = []) throws {
  let writer = try WeightFileWriter(path: path, compression: compression)
  for (key, value) in metadata { writer.set(key, value) }
  for s in samples {
    try s.bytes.withUnsafeBytes {
      try writer.addTensor(name: s.name, shape: s.shape, encoding: s.encoding, group: s.group, bytes: $0)
    }
  }
  try writer.finish()
}

/// The decoded bytes of a tensor, frames in descending order to show that order does not matter.
func decoded(_ file: WeightFile, _ record: TensorRecord) throws -> [UInt8] {
  let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: record.byteCount, alignment: 64)
  defer { memory.deallocate() }
  memory.initializeMemory(as: UInt8.self, repeating: 0xEE)
  for i in (0..<file.frameCount(record)).reversed() { try file.decodeFrame(record, index: i, into: memory.baseAddress!) }
  return [UInt8](memory)
}

func bytes(of path: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(fileURLWithPath: path))) }

func bytes(_ floats: [Float]) -> [UInt8] { floats.withUnsafeBytes { [UInt8]($0) } }

/// A file of `size` bytes that starts with `start` and has a hole after it.
func createSparse(_ path: String, _ start: [UInt8], size: UInt64) throws {
  try Data(start).write(to: URL(fileURLWithPath: path))
  let handle = try #require(FileHandle(forUpdatingAtPath: path))
  try handle.truncate(atOffset: size)
  try handle.close()
}
