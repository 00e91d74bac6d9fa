// SPDX-License-Identifier: Apache-2.0
#if arch(arm64)
import Shims

/// Integer sums of 16 rows with two tokens on `usmmla`, which multiplies 2 rows × 8 inputs by 8 inputs × 2 tokens.
///
/// A register holds two rows: row i with both tokens, then row i + 1 with both. `even` has rows 0, 4, 8, 12 and the ones after them, `odd` rows 2, 6,
/// 10, 14 and the ones after them.
struct TokenPair {
  private var even = IntegerLanes(), odd = IntegerLanes()

  @inline(__always) init() {}

  /// Adds the products of eight unsigned bytes of each row with the int8 at `x` and `y`, the first and the second token's.
  @inline(__always)
  mutating func add(_ w: QuadPair, _ x: UnsafeRawPointer, _ y: UnsafeRawPointer) {
    let tokens = fovea_load_two_rows_8(x, y)
    let (p, q) = (w.first, w.second)
    even = IntegerLanes(
      fovea_add_rows01_4(even.a, p.a, q.a, tokens), fovea_add_rows01_4(even.b, p.b, q.b, tokens), fovea_add_rows01_4(even.c, p.c, q.c, tokens),
      fovea_add_rows01_4(even.d, p.d, q.d, tokens))
    odd = IntegerLanes(
      fovea_add_rows23_4(odd.a, p.a, q.a, tokens), fovea_add_rows23_4(odd.b, p.b, q.b, tokens), fovea_add_rows23_4(odd.c, p.c, q.c, tokens),
      fovea_add_rows23_4(odd.d, p.d, q.d, tokens))
  }

  /// The sums of the first token, row by row.
  @inline(__always) var first: IntegerLanes {
    IntegerLanes(vuzp1q_s32(even.a, odd.a), vuzp1q_s32(even.b, odd.b), vuzp1q_s32(even.c, odd.c), vuzp1q_s32(even.d, odd.d))
  }
  /// Those of the second.
  @inline(__always) var second: IntegerLanes {
    IntegerLanes(vuzp2q_s32(even.a, odd.a), vuzp2q_s32(even.b, odd.b), vuzp2q_s32(even.c, odd.c), vuzp2q_s32(even.d, odd.d))
  }
}

/// Two tokens, one block.
struct TokenPairSums: GroupSums {
  private var s = TokenPair()
  private var f = Lanes(), g = Lanes()
  private var offsets: (Int32, Int32) = (0, 0)

  @inline(__always) static var count: Int { 2 }
  @inline(__always) static var blocks: Int { 1 }
  @inline(__always) init() {}
  @inline(__always) init(partial y: UnsafePointer<Float>, _ stride: Int) { (f, g) = (Lanes(y), Lanes(y + stride)) }
  @inline(__always) mutating func begin(_ offsets: UnsafePointer<Int32>, _ groups: Int) {
    s = TokenPair()
    self.offsets = (offsets[0], offsets[groups])
  }
  @inline(__always) mutating func add(_ w: QuadPair, _ x: UnsafeRawPointer, _ stride: Int) { s.add(w, x, x + stride) }
  @inline(__always) mutating func end(_ weights: GroupScales, _ scales: UnsafePointer<Float>, _ groups: Int) {
    f = f.addingProduct(weights.scaled(s.first + IntegerLanes(repeating: offsets.0)), Lanes(repeating: scales[0]))
    g = g.addingProduct(weights.scaled(s.second + IntegerLanes(repeating: offsets.1)), Lanes(repeating: scales[groups]))
  }
  @inline(__always) func store(_ y: UnsafeMutablePointer<Float>, _ stride: Int) {
    f.store(y)
    g.store(y + stride)
  }
  @inline(__always) func finish(_ a: LinearArguments, _ block: Int, _ rowScales: Lanes, _ y: UnsafeMutablePointer<Float>) {
    VectorKernels.finishBlock(f * rowScales, y, a.bias, block * 16, Int(a.outputs))
    VectorKernels.finishBlock(g * rowScales, y + a.yStride, a.bias, block * 16, Int(a.outputs))
  }
}
#endif
