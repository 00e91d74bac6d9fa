// SPDX-License-Identifier: Apache-2.0
#if HAS_LANES
import Shims

/// Number format in memory.
enum Element {
  case float32, float16, int8

  /// Of keys and values.
  @inline(__always)
  init(rows: Int32) { self = rows == FOVEA_ROWS_F16 ? .float16 : rows == FOVEA_ROWS_INT8 ? .int8 : .float32 }

  /// Bytes.
  @inline(__always) var size: Int { self == .float32 ? 4 : self == .float16 ? 2 : 1 }
}

/// Neighbouring output columns of one row, held in registers: one, two or four `Lanes`.
protocol Columns {
  /// How many `Lanes`.
  static var width: Int { get }
  /// Zeros.
  init()
  /// `width` vectors `stride` bytes apart.
  init(_ p: UnsafeRawPointer, stride: Int, _ element: Element)
  /// The first `count` floats at `p` (all if it has so many), then zeros.
  init(_ p: UnsafePointer<Float>, count: Int)
  /// self ← fma(w, x, self).
  mutating func addProduct(_ w: Self, _ x: Lanes)
  mutating func multiply(_ factor: Lanes)
  /// Calls `body` with each vector's number and value.
  func forEach(_ body: (Int, Lanes) -> Void)
}

struct Columns1: Columns {
  @inline(__always) static var width: Int { 1 }
  private var c0 = Lanes()

  @inline(__always) init() {}
  @inline(__always) init(_ p: UnsafeRawPointer, stride: Int, _ element: Element) { c0 = lanes(p, element) }
  @inline(__always) init(_ p: UnsafePointer<Float>, count: Int) { c0 = lanes(p, count) }
  @inline(__always) mutating func addProduct(_ w: Columns1, _ x: Lanes) { c0 = c0.addingProduct(w.c0, x) }
  @inline(__always) mutating func multiply(_ factor: Lanes) { c0 = c0 * factor }
  @inline(__always) func forEach(_ body: (Int, Lanes) -> Void) { body(0, c0) }
}

struct Columns2: Columns {
  @inline(__always) static var width: Int { 2 }
  private var c0 = Lanes(), c1 = Lanes()

  @inline(__always) init() {}
  @inline(__always) init(_ c0: Lanes, _ c1: Lanes) { (self.c0, self.c1) = (c0, c1) }
  @inline(__always) init(_ p: UnsafeRawPointer, stride: Int, _ element: Element) {
    c0 = lanes(p, element)
    c1 = lanes(p + stride, element)
  }
  @inline(__always) init(_ p: UnsafePointer<Float>, count: Int) {
    c0 = lanes(p, count)
    c1 = lanes(p + 16, count - 16)
  }
  @inline(__always) mutating func addProduct(_ w: Columns2, _ x: Lanes) {
    c0 = c0.addingProduct(w.c0, x)
    c1 = c1.addingProduct(w.c1, x)
  }
  @inline(__always) mutating func multiply(_ factor: Lanes) {
    c0 = c0 * factor
    c1 = c1 * factor
  }
  @inline(__always) func forEach(_ body: (Int, Lanes) -> Void) {
    body(0, c0)
    body(1, c1)
  }
}

struct Columns4: Columns {
  @inline(__always) static var width: Int { 4 }
  private var c0 = Lanes(), c1 = Lanes(), c2 = Lanes(), c3 = Lanes()

  @inline(__always) init() {}
  @inline(__always) init(_ p: UnsafeRawPointer, stride: Int, _ element: Element) {
    c0 = lanes(p, element)
    c1 = lanes(p + stride, element)
    c2 = lanes(p + 2 * stride, element)
    c3 = lanes(p + 3 * stride, element)
  }
  @inline(__always) init(_ p: UnsafePointer<Float>, count: Int) {
    c0 = lanes(p, count)
    c1 = lanes(p + 16, count - 16)
    c2 = lanes(p + 32, count - 32)
    c3 = lanes(p + 48, count - 48)
  }
  @inline(__always) mutating func addProduct(_ w: Columns4, _ x: Lanes) {
    c0 = c0.addingProduct(w.c0, x)
    c1 = c1.addingProduct(w.c1, x)
    c2 = c2.addingProduct(w.c2, x)
    c3 = c3.addingProduct(w.c3, x)
  }
  @inline(__always) mutating func multiply(_ factor: Lanes) {
    c0 = c0 * factor
    c1 = c1 * factor
    c2 = c2 * factor
    c3 = c3 * factor
  }
  @inline(__always) func forEach(_ body: (Int, Lanes) -> Void) {
    body(0, c0)
    body(1, c1)
    body(2, c2)
    body(3, c3)
  }
}

@inline(__always)
func lanes(_ p: UnsafeRawPointer, _ element: Element) -> Lanes {
  switch element {
  case .float32: Lanes(p.assumingMemoryBound(to: Float.self))
  case .float16: Lanes(half: p.assumingMemoryBound(to: UInt16.self))
  case .int8: Lanes(int8: p.assumingMemoryBound(to: Int8.self))
  }
}

@inline(__always)
private func lanes(_ p: UnsafePointer<Float>, _ count: Int) -> Lanes {
  count >= 16 ? Lanes(p) : Lanes(p, count: count > 0 ? count : 0)
}

/// Pointers to the rows of a tile. Rows from `count` on repeat the last one, which is computed again and written with the same values.
struct Rows {
  var p0, p1, p2, p3, p4, p5: UnsafeMutablePointer<Float>

  @inline(__always)
  init(_ base: UnsafeMutablePointer<Float>, stride: Int, count: Int) {
    let last = count - 1
    p0 = base
    p1 = base + (last < 1 ? last : 1) * stride
    p2 = base + (last < 2 ? last : 2) * stride
    p3 = base + (last < 3 ? last : 3) * stride
    p4 = base + (last < 4 ? last : 4) * stride
    p5 = base + (last < 5 ? last : 5) * stride
  }
}

/// A register tile of 6 rows: row i ← fma(b_k, a_ik, row i) over k ascending.
struct Tile<C: Columns> {
  var r0 = C(), r1 = C(), r2 = C(), r3 = C(), r4 = C(), r5 = C()

  @inline(__always) init() {}

  /// Starts from the rows at `c`, each times its factor of `factors`, rows from `count` on being the last one.
  @inline(__always)
  init(_ c: Rows, factors: UnsafePointer<Float>, count: Int) {
    let last = count - 1
    r0 = Self.row(c.p0, factors[0])
    r1 = Self.row(c.p1, factors[last < 1 ? last : 1])
    r2 = Self.row(c.p2, factors[last < 2 ? last : 2])
    r3 = Self.row(c.p3, factors[last < 3 ? last : 3])
    r4 = Self.row(c.p4, factors[last < 4 ? last : 4])
    r5 = Self.row(c.p5, factors[last < 5 ? last : 5])
  }

  @inline(__always)
  private static func row(_ p: UnsafePointer<Float>, _ factor: Float) -> C {
    var row = C(p, stride: 64, .float32)
    row.multiply(Lanes(repeating: factor))
    return row
  }

  /// `b`: vectors `stride` bytes apart; `step` bytes from one k to the next.
  @inline(__always)
  mutating func accumulate(_ a: Rows, _ b: UnsafeRawPointer, stride: Int, step: Int, count: Int, _ element: Element) {
    var b = b
    var k = 0
    while k < count {
      let w = C(b, stride: stride, element)
      r0.addProduct(w, Lanes(repeating: a.p0[k]))
      r1.addProduct(w, Lanes(repeating: a.p1[k]))
      r2.addProduct(w, Lanes(repeating: a.p2[k]))
      r3.addProduct(w, Lanes(repeating: a.p3[k]))
      r4.addProduct(w, Lanes(repeating: a.p4[k]))
      r5.addProduct(w, Lanes(repeating: a.p5[k]))
      b += step
      k += 1
    }
  }

  @inline(__always)
  func store(_ c: Rows) {
    r0.forEach { $1.store(c.p0 + 16 * $0) }
    r1.forEach { $1.store(c.p1 + 16 * $0) }
    r2.forEach { $1.store(c.p2 + 16 * $0) }
    r3.forEach { $1.store(c.p3 + 16 * $0) }
    r4.forEach { $1.store(c.p4 + 16 * $0) }
    r5.forEach { $1.store(c.p5 + 16 * $0) }
  }
}

/// `Tile.accumulate` for a single row.
@inline(__always)
func accumulate<C: Columns>(
  _ row: inout C, _ a: UnsafePointer<Float>, _ b: UnsafeRawPointer, stride: Int, step: Int, count: Int, _ element: Element
) {
  var b = b
  var k = 0
  while k < count {
    row.addProduct(C(b, stride: stride, element), Lanes(repeating: a[k]))
    b += step
    k += 1
  }
}

#endif
