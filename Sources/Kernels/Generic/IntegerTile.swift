// SPDX-License-Identifier: Apache-2.0
#if HAS_LANES

/// Neighbouring int32 columns of one row, held in registers: one or four vectors of 16.
protocol IntegerColumns {
  /// How many vectors.
  static var width: Int { get }
  /// Zeros.
  init()
  /// `width` vectors, 64 bytes apart.
  init(_ p: UnsafeRawPointer)
  /// Adds the products of pairs of int16 or of quads of int8.
  mutating func add<P: IntegerProduct>(_: P.Type, _ w: Self, _ x: IntegerLanes)
  /// Calls `body` with each vector's number and value.
  func forEach(_ body: (Int, IntegerLanes) -> Void)
}

/// The dot product in a lane of 32 bits: of two int16 or four int8. Each instruction set names its `Int8Product`: quads of int8 where it multiplies
/// those, else `Pairs`.
protocol IntegerProduct {
  /// Integers in a lane.
  static var inLane: Int { get }
  /// `value` (0 … 128) in every place.
  static func repeating(_ value: Int32) -> IntegerLanes
  /// Each lane of `sum` plus the products of the numbers in w and x.
  static func adding(_ sum: IntegerLanes, _ w: IntegerLanes, _ x: IntegerLanes) -> IntegerLanes
}

enum Pairs: IntegerProduct {
  @inline(__always) static var inLane: Int { 2 }
  @inline(__always) static func repeating(_ value: Int32) -> IntegerLanes { IntegerLanes(repeating: value &* 0x0001_0001) }
  @inline(__always)
  static func adding(_ sum: IntegerLanes, _ w: IntegerLanes, _ x: IntegerLanes) -> IntegerLanes { sum.addingPairs(w, x) }
}

/// Four int8.
protocol QuadProduct: IntegerProduct {}

extension QuadProduct {
  @inline(__always) static var inLane: Int { 4 }
  @inline(__always) static func repeating(_ value: Int32) -> IntegerLanes { IntegerLanes(repeating: value &* 0x0101_0101) }
}

struct IntegerColumns1: IntegerColumns {
  @inline(__always) static var width: Int { 1 }
  private var c0 = IntegerLanes()

  @inline(__always) init() {}
  @inline(__always) init(_ p: UnsafeRawPointer) { c0 = IntegerLanes(p) }
  @inline(__always) mutating func add<P: IntegerProduct>(_: P.Type, _ w: IntegerColumns1, _ x: IntegerLanes) {
    c0 = P.adding(c0, w.c0, x)
  }
  @inline(__always) func forEach(_ body: (Int, IntegerLanes) -> Void) { body(0, c0) }
}

struct IntegerColumns4: IntegerColumns {
  @inline(__always) static var width: Int { 4 }
  private var c0 = IntegerLanes(), c1 = IntegerLanes(), c2 = IntegerLanes(), c3 = IntegerLanes()

  @inline(__always) init() {}
  @inline(__always) init(_ p: UnsafeRawPointer) {
    c0 = IntegerLanes(p)
    c1 = IntegerLanes(p + 64)
    c2 = IntegerLanes(p + 128)
    c3 = IntegerLanes(p + 192)
  }
  @inline(__always) mutating func add<P: IntegerProduct>(_: P.Type, _ w: IntegerColumns4, _ x: IntegerLanes) {
    c0 = P.adding(c0, w.c0, x)
    c1 = P.adding(c1, w.c1, x)
    c2 = P.adding(c2, w.c2, x)
    c3 = P.adding(c3, w.c3, x)
  }
  @inline(__always) func forEach(_ body: (Int, IntegerLanes) -> Void) {
    body(0, c0)
    body(1, c1)
    body(2, c2)
    body(3, c3)
  }
}

/// A register tile of 6 rows: row i ← start + Σ b_k · a_ik over pairs or quads k.
struct IntegerTile<C: IntegerColumns> {
  var r0, r1, r2, r3, r4, r5: C

  /// - Parameters:
  ///   - a: rows of pairs or quads, `stride` of them apart; rows from `rows` on repeat the last one.
  ///   - b: `step` bytes from one k to the next.
  @inline(__always)
  init<P: IntegerProduct>(
    _: P.Type, start: C, _ a: UnsafePointer<Int32>, stride: Int, rows: Int, _ b: UnsafeRawPointer, step: Int, count: Int
  ) {
    (r0, r1, r2, r3, r4, r5) = (start, start, start, start, start, start)
    let last = rows - 1
    let a1 = a + (last < 1 ? last : 1) * stride, a2 = a + (last < 2 ? last : 2) * stride
    let a3 = a + (last < 3 ? last : 3) * stride, a4 = a + (last < 4 ? last : 4) * stride
    let a5 = a + (last < 5 ? last : 5) * stride
    var b = b
    var k = 0
    while k < count {
      let w = C(b)
      r0.add(P.self, w, IntegerLanes(repeating: a[k]))
      r1.add(P.self, w, IntegerLanes(repeating: a1[k]))
      r2.add(P.self, w, IntegerLanes(repeating: a2[k]))
      r3.add(P.self, w, IntegerLanes(repeating: a3[k]))
      r4.add(P.self, w, IntegerLanes(repeating: a4[k]))
      r5.add(P.self, w, IntegerLanes(repeating: a5[k]))
      b += step
      k += 1
    }
  }
}
#endif
