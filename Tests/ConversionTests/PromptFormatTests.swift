// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Conversion
import Testing

@Suite struct PromptFormatTests {
  @Test func vicunaSystemTextIsTheOriginalToTheByte() {
    let text = Array(PromptFormat.vicuna.system.utf8)
    #expect(text.count == 154)
    #expect(sha256(text) == "1fa69e2371b762d1882b0bd98d284f312a36c27add732016e12e52586f98a9f5")
    #expect(PromptFormat.vicuna.template == "{system} USER: <image>\n{question} ASSISTANT:")
  }

  @Test func aCheckpointMayBringItsOwn() throws {
    func format(_ json: String) throws -> PromptFormat {
      try PromptFormat.vicuna.overridden(by: ConfigReader(file: "config.json", value: .parse(json, file: "config.json")))
    }
    #expect(try format("{}") == .vicuna)
    let own = try format(#"{"fovea": {"prompt": {"system": "", "template": "Q: <image> {question} A:", "stop": ["\n"]}}}"#)
    #expect(own.template == "Q: <image> {question} A:" && own.system == "" && own.stop == ["\n"] && own.turnSeparator == "</s>")
    #expect(try format(#"{"fovea.prompt": {"system": "S", "template": "{system}<image>{question}"}}"#).system == "S")
    let places = try format(#"{"fovea": {"prompt": {"locations": {"column": "<x0>", "row": "<y0>", "count": 9}}}}"#).locations
    #expect(places.column == "<x0>" && places.row == "<y0>" && places.count == 9 && own.locations.isEmpty)
    expectFailure("row") { _ = try format(#"{"fovea": {"prompt": {"locations": {"column": "<x0>", "count": 9}}}}"#) }
    expectFailure("template") { _ = try format(#"{"fovea": {"prompt": {"template": "no marks"}}}"#) }
  }

  /// FIPS 180-4, for this one check.
  private func sha256(_ message: [UInt8]) -> String {
    func rotate(_ x: UInt32, _ n: UInt32) -> UInt32 { x >> n | x << (32 - n) }
    let primes = (2...311).filter { n in !(2..<n).contains { n % $0 == 0 } }
    func fraction(_ x: Double) -> UInt32 { UInt32((x - x.rounded(.down)) * 0x1p32) }
    let k = primes.prefix(64).map { cubeRootFraction($0) }
    var h = primes.prefix(8).map { fraction(Double($0).squareRoot()) }
    var bytes = message + [0x80]
    while bytes.count % 64 != 56 { bytes.append(0) }
    for shift in stride(from: 56, through: 0, by: -8) {
      bytes.append(UInt8(truncatingIfNeeded: UInt64(message.count * 8) >> UInt64(shift)))
    }
    for start in stride(from: 0, to: bytes.count, by: 64) {
      var w = (0..<16).map { i in (0..<4).reduce(UInt32(0)) { $0 << 8 | UInt32(bytes[start + 4 * i + $1]) } }
      for i in 16..<64 {
        let a = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3
        let b = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10
        w.append(w[i - 16] &+ a &+ w[i - 7] &+ b)
      }
      var v = h
      for i in 0..<64 {
        let s1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25)
        let t1 = v[7] &+ s1 &+ (v[4] & v[5] ^ ~v[4] & v[6]) &+ k[i] &+ w[i]
        let s0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22)
        let t2 = s0 &+ (v[0] & v[1] ^ v[0] & v[2] ^ v[1] & v[2])
        v = [t1 &+ t2, v[0], v[1], v[2], v[3] &+ t1, v[4], v[5], v[6]]
      }
      for i in 0..<8 { h[i] &+= v[i] }
    }
    return h.map { word in (0..<8).map { String(word >> UInt32(28 - 4 * $0) & 15, radix: 16) }.joined() }.joined()
  }

  /// First 32 bits behind the point of ∛n, by whole numbers: ⌊∛(n · 2⁹⁶)⌋ mod 2³² (in Double the last bit would be in doubt).
  private func cubeRootFraction(_ n: Int) -> UInt32 {
    var low: UInt64 = 0
    var high: UInt64 = 7 << 32
    while high - low > 1 {
      let middle = (low + high) / 2
      // middle³ ≤ n · 2⁹⁶, compared as 192-bit numbers through two full-width products.
      let square = middle.multipliedFullWidth(by: middle)
      let lower = square.low.multipliedFullWidth(by: middle)
      let (upper, carry) = (square.high &* middle).addingReportingOverflow(lower.high)
      let isBelow = !carry && (upper < UInt64(n) << 32 || (upper == UInt64(n) << 32 && lower.low == 0))
      if isBelow { low = middle } else { high = middle }
    }
    return UInt32(truncatingIfNeeded: low)
  }
}
