// SPDX-License-Identifier: Apache-2.0

/// Index of the largest value; the first of equals, 0 where all are NaN. NaN never wins.
func largestIndex(_ x: UnsafeMutableBufferPointer<Float>) -> Int {
  guard let first = x.firstIndex(where: { !$0.isNaN }) else { return 0 }
  var (best, bar) = (first, x[first])
  forEachBlock(of: x, above: { bar }) { i in
    if x[i] > bar { (best, bar) = (i, x[i]) }
  }
  return best
}

/// Calls `body` with all indices, ascending, of each block that holds a value above `bar`; nil: of every block.
@inline(__always)
func forEachBlock(of x: UnsafeMutableBufferPointer<Float>, above bar: () -> Float?, _ body: (Int) -> Void) {
  guard let base = x.baseAddress else { return }
  var start = 0
  while start < x.count {
    let end = min(start &+ Block.size, x.count)
    if let bar = bar(), end == start &+ Block.size, !Block.contains(base + start, where: { $0 .> bar }) {
      start = end
      continue
    }
    for i in start..<end { body(i) }
    start = end
  }
}

/// Block sizes, in values.
enum Block {
  @inline(__always) static var size: Int { 64 }
  /// Where matches are more frequent.
  @inline(__always) static var small: Int { 16 }

  /// Whether a test holds for any of `size` values, a multiple of 8.
  @inline(__always)
  static func contains(
    _ base: UnsafeMutablePointer<Float>, size: Int = Block.size, where test: (SIMD8<Float>) -> SIMDMask<SIMD8<Int32>>
  ) -> Bool {
    let memory = UnsafeRawPointer(base)
    var found = SIMD8<Int32>(repeating: 0)
    var offset = 0
    while offset < 4 &* size {
      let x = memory.loadUnaligned(fromByteOffset: offset, as: SIMD8<Float>.self)
      found.replace(with: SIMD8(repeating: 1), where: test(x))
      offset &+= 32
    }
    let four = found.lowHalf | found.highHalf
    let two = four.lowHalf | four.highHalf
    return two.x | two.y != 0
  }

  /// y ← (x − top) · factor; −∞ where the result is above 0 or NaN.
  static func scaled(_ x: UnsafeMutableBufferPointer<Float>, to y: UnsafeMutablePointer<Float>, top: Float, by factor: Float) {
    let (from, to) = (UnsafeRawPointer(x.baseAddress), UnsafeMutableRawPointer(y))
    var i = 0
    while let from, i &+ 8 <= x.count {
      let z = (from.loadUnaligned(fromByteOffset: 4 &* i, as: SIMD8<Float>.self) - top) * factor
      to.storeBytes(of: z.replacing(with: -.infinity, where: .!(z .<= 0)), toByteOffset: 4 &* i, as: SIMD8<Float>.self)
      i &+= 8
    }
    while i < x.count {
      let z = (x[i] - top) * factor
      y[i] = z <= 0 ? z : -.infinity
      i &+= 1
    }
  }
}
