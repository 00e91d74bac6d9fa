// SPDX-License-Identifier: Apache-2.0
import Testing
import WeightFile

@Suite struct RoundTripTests {
  static let samples = [
    Sample("plain.f32", [7], .f32), Sample("plain.f16", [3, 5], .f16),
    Sample("five", [2, 3, 1, 5, 7], .f32), Sample("wide", [33, 12345], .f32),
    Sample("packed.f32", [17, 33], .f32x16), Sample("packed.f16", [31, 35], .f16x16),
    Sample("packed.f16.large", [400, 1500], .f16x16),
    Sample("q8", [100, 70], .q8x16, group: 64), Sample("q8.large", [1000, 1000], .q8x16, group: 32),
    Sample("q4", [1, 1], .q4x16, group: 32), Sample("q4.large", [999, 1111], .q4x16, group: 128),
    Sample("n4", [100, 70], .n4x16, group: 32), Sample("q5", [40, 33], .q5x16, group: 32), Sample("q6", [40, 333], .q6x16, group: 32),
    Sample("zeros", [100, 1000], .f32, bytes: [UInt8](repeating: 0, count: 400_000)),
  ]

  @Test(arguments: [WeightFileWriter.Compression.auto, .zstd, .none])
  func everyEncodingComesBack(compression: WeightFileWriter.Compression) throws {
    let folder = try TemporaryFolder()
    try write(Self.samples, to: folder.file(), compression: compression)
    let file = try WeightFile(path: folder.file())
    try file.verify()
    #expect(file.records.map(\.name) == Self.samples.map(\.name))
    for s in Self.samples {
      let record = try #require(file.record(s.name))
      #expect(record.shape == s.shape)
      #expect(record.encoding == s.encoding)
      #expect(record.group == s.group)
      #expect(record.byteCount == s.bytes.count)
      #expect(record.isCompressed == (file.rawBytes(record) == nil))
      #expect(try decoded(file, record) == s.bytes)
      if let raw = file.rawBytes(record) {
        #expect(Int(bitPattern: raw) % 64 == 0)
        #expect([UInt8](UnsafeRawBufferPointer(start: raw, count: record.byteCount)) == s.bytes)
      }
      switch compression {
      case .none: #expect(!record.isCompressed)
      case .zstd: #expect(record.isCompressed)
      case .auto:
        #expect(record.isCompressed == (s.name == "zeros"))
      }
    }
    #expect(file.record("absent") == nil)
  }
}
