// SPDX-License-Identifier: Apache-2.0
import CZstd
import Testing
import WeightFile

@Suite struct XXH64Tests {
  @Test func givesTheKnownHashes() {
    #expect(hash([]) == 0xEF46_DB37_51D8_E999)
    #expect(hash(Array("a".utf8)) == 0xD24E_C4F1_A98C_6E5B)
    #expect(hash(Array("abc".utf8)) == 0x44BC_2CF5_AD77_0999)
  }

  /// The content checksum at the end of a zstd frame is the lower half of XXH64 (RFC 8878 §3.1.1).
  @Test func agreesWithZstdOnEveryLengthAndAlignment() throws {
    let context = try #require(ZSTD_createCCtx())
    defer { ZSTD_freeCCtx(context) }
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
    var random = SeededGenerator(64)
    let source = (0..<5000).map { _ in UInt8.random(in: 0...255, using: &random) }
    for count in Array(0...300) + [1000, 1023, 1024, 4095, 4900] {
      let shift = count % 9
      let bytes = Array(source[shift..<shift + count])
      var out = [UInt8](repeating: 0, count: ZSTD_compressBound(count))
      let size = ZSTD_compress2(context, &out, out.count, bytes, count)
      let checksum = out[size - 4..<size].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
      let ours = source.withUnsafeBytes { xxh64($0.baseAddress! + shift, count) }
      #expect(UInt32(truncatingIfNeeded: ours) == checksum)
    }
  }
}
