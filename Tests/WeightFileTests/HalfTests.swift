// SPDX-License-Identifier: Apache-2.0
import Testing
import WeightFile

@Suite struct HalfTests {
  #if !(os(macOS) && arch(x86_64))
  /// Against the compiler's own binary16, for all 65 536 patterns.
  @Test func widensEveryPatternExactly() {
    let wrong = (UInt16.min...UInt16.max).filter { bits in
      let (expected, found) = (Float(Float16(bitPattern: bits)), Half.float(bits))
      return expected.isNaN ? !found.isNaN : found.bitPattern != expected.bitPattern
    }
    #expect(wrong == [])
  }

  @Test func roundsAsTheCompilerDoes() {
    var random = SeededGenerator(16)
    var patterns = (0..<200_000).map { _ in UInt32.random(in: 0...UInt32.max, using: &random) }
    // Around every binary16 value and every tie between two of them.
    for bits in UInt16.min..<0x7C00 {
      let low = Half.float(bits)
      let tie = Float((Double(low) + Double(bits == 0x7BFF ? 65536 : Half.float(bits + 1))) / 2)
      for x in [low, tie] { patterns += [x.bitPattern, x.bitPattern + 1, x.bitPattern &- 1, x.bitPattern | 1 << 31] }
    }
    let wrong = patterns.filter { pattern in
      let x = Float(bitPattern: pattern)
      let found = Half.bits(x)
      return x.isNaN ? found & 0x7C00 != 0x7C00 || found & 0x03FF == 0 : found != Float16(x).bitPattern
    }
    #expect(wrong == [])
  }
  #endif

  @Test func keepsEveryNumberOnTheWayBack() {
    let wrong = (UInt16.min...UInt16.max).filter { !Half.float($0).isNaN && Half.bits(Half.float($0)) != $0 }
    #expect(wrong == [])
  }
}
