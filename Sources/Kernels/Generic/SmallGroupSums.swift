// SPDX-License-Identifier: Apache-2.0
#if HAS_LANES
import Shims

/// Accumulators of one or more consecutive tokens with one or two blocks.
protocol GroupSums {
  /// Weights of eight inputs: `QuadPair`, or one for each block.
  associatedtype Quads
  /// `GroupScales`, or those of each block.
  associatedtype Scales
  /// `Lanes`, or one for each block.
  associatedtype RowScales
  /// How many tokens.
  static var count: Int { get }
  static var blocks: Int { get }
  init()
  /// Continues with the partial sums that `store` wrote; token i's at `y + i·stride`.
  init(partial y: UnsafePointer<Float>, _ stride: Int)
  /// Starts a group; token i's offset at `offsets + i·groups`.
  mutating func begin(_ offsets: UnsafePointer<Int32>, _ groups: Int)
  /// Adds the products of 8 inputs; token i's at `x + i·stride`.
  mutating func add(_ w: Quads, _ x: UnsafeRawPointer, _ stride: Int)
  /// Ends a group; token i's scale at `scales + i·groups`.
  mutating func end(_ weights: Scales, _ scales: UnsafePointer<Float>, _ groups: Int)
  /// Writes the partial sums; the blocks have no padding rows.
  func store(_ y: UnsafeMutablePointer<Float>, _ stride: Int)
  /// Epilogue: y ← sums · rowScales + bias.
  /// - Parameters:
  ///   - block: the (first) block's number.
  ///   - y: output 0 of the first token.
  func finish(_ a: LinearArguments, _ block: Int, _ rowScales: RowScales, _ y: UnsafeMutablePointer<Float>)
}

/// One token, one block.
struct GroupSum: GroupSums {
  private var s = IntegerLanes()
  private var f = Lanes()

  @inline(__always) static var count: Int { 1 }
  @inline(__always) static var blocks: Int { 1 }
  @inline(__always) init() {}
  @inline(__always) init(partial y: UnsafePointer<Float>, _: Int) { f = Lanes(y) }
  @inline(__always) mutating func begin(_ offsets: UnsafePointer<Int32>, _: Int) { s = IntegerLanes(repeating: offsets.pointee) }
  @inline(__always) mutating func add(_ w: QuadPair, _ x: UnsafeRawPointer, _: Int) {
    s = s.addingBytes(w.first, x).addingBytes(w.second, x + 4)
  }
  @inline(__always) mutating func end(_ weights: GroupScales, _ scales: UnsafePointer<Float>, _: Int) {
    f = f.addingProduct(weights.scaled(s), Lanes(repeating: scales.pointee))
  }
  @inline(__always) func store(_ y: UnsafeMutablePointer<Float>, _: Int) { f.store(y) }
  @inline(__always) func finish(_ a: LinearArguments, _ block: Int, _ rowScales: Lanes, _ y: UnsafeMutablePointer<Float>) {
    VectorKernels.finishBlock(f * rowScales, y, a.bias, block * 16, Int(a.outputs))
  }
}

/// One token, one block; two sums hide the latency of the products.
struct GroupTwoSums: GroupSums {
  private var s = IntegerLanes(), t = IntegerLanes()
  private var f = Lanes()

  @inline(__always) static var count: Int { 1 }
  @inline(__always) static var blocks: Int { 1 }
  @inline(__always) init() {}
  @inline(__always) init(partial y: UnsafePointer<Float>, _: Int) { f = Lanes(y) }
  @inline(__always) mutating func begin(_ offsets: UnsafePointer<Int32>, _: Int) {
    s = IntegerLanes(repeating: offsets.pointee)
    t = IntegerLanes()
  }
  @inline(__always) mutating func add(_ w: QuadPair, _ x: UnsafeRawPointer, _: Int) {
    s = s.addingBytes(w.first, x)
    t = t.addingBytes(w.second, x + 4)
  }
  @inline(__always) mutating func end(_ weights: GroupScales, _ scales: UnsafePointer<Float>, _: Int) {
    f = f.addingProduct(weights.scaled(s + t), Lanes(repeating: scales.pointee))
  }
  @inline(__always) func store(_ y: UnsafeMutablePointer<Float>, _: Int) { f.store(y) }
  @inline(__always) func finish(_ a: LinearArguments, _ block: Int, _ rowScales: Lanes, _ y: UnsafeMutablePointer<Float>) {
    VectorKernels.finishBlock(f * rowScales, y, a.bias, block * 16, Int(a.outputs))
  }
}

/// One token, two neighbouring blocks, which share the loads of activations.
struct TwoBlocksSum: GroupSums {
  private var s = IntegerLanes(), t = IntegerLanes()
  private var f = Lanes(), g = Lanes()

  @inline(__always) static var count: Int { 1 }
  @inline(__always) static var blocks: Int { 2 }
  @inline(__always) init() {}
  @inline(__always) init(partial y: UnsafePointer<Float>, _: Int) { (f, g) = (Lanes(y), Lanes(y + 16)) }
  @inline(__always) mutating func begin(_ offsets: UnsafePointer<Int32>, _: Int) {
    s = IntegerLanes(repeating: offsets.pointee)
    t = s
  }
  @inline(__always) mutating func add(_ w: (QuadPair, QuadPair), _ x: UnsafeRawPointer, _: Int) {
    s = s.addingBytes(w.0.first, x)
    t = t.addingBytes(w.1.first, x)
    s = s.addingBytes(w.0.second, x + 4)
    t = t.addingBytes(w.1.second, x + 4)
  }
  @inline(__always) mutating func end(_ weights: (GroupScales, GroupScales), _ scales: UnsafePointer<Float>, _: Int) {
    let x = Lanes(repeating: scales.pointee)
    f = f.addingProduct(weights.0.scaled(s), x)
    g = g.addingProduct(weights.1.scaled(t), x)
  }
  @inline(__always) func store(_ y: UnsafeMutablePointer<Float>, _: Int) {
    f.store(y)
    g.store(y + 16)
  }
  @inline(__always) func finish(_ a: LinearArguments, _ block: Int, _ rowScales: (Lanes, Lanes), _ y: UnsafeMutablePointer<Float>) {
    VectorKernels.finishBlock(f * rowScales.0, y, a.bias, block * 16, Int(a.outputs))
    VectorKernels.finishBlock(g * rowScales.1, y, a.bias, block * 16 + 16, Int(a.outputs))
  }
}

/// The tokens of A, then those of B.
struct SumsPair<A: GroupSums, B: GroupSums>: GroupSums where A.Quads == B.Quads, A.Scales == B.Scales, A.RowScales == B.RowScales {
  private var a: A
  private var b: B

  @inline(__always) static var count: Int { A.count + B.count }
  @inline(__always) static var blocks: Int { A.blocks }
  @inline(__always) init() { (a, b) = (A(), B()) }
  @inline(__always) init(partial y: UnsafePointer<Float>, _ stride: Int) {
    a = A(partial: y, stride)
    b = B(partial: y + A.count * stride, stride)
  }
  @inline(__always) mutating func begin(_ offsets: UnsafePointer<Int32>, _ groups: Int) {
    a.begin(offsets, groups)
    b.begin(offsets + A.count * groups, groups)
  }
  @inline(__always) mutating func add(_ w: A.Quads, _ x: UnsafeRawPointer, _ stride: Int) {
    a.add(w, x, stride)
    b.add(w, x + A.count * stride, stride)
  }
  @inline(__always) mutating func end(_ weights: A.Scales, _ scales: UnsafePointer<Float>, _ groups: Int) {
    a.end(weights, scales, groups)
    b.end(weights, scales + A.count * groups, groups)
  }
  @inline(__always) func store(_ y: UnsafeMutablePointer<Float>, _ stride: Int) {
    a.store(y, stride)
    b.store(y + A.count * stride, stride)
  }
  @inline(__always) func finish(_ arguments: LinearArguments, _ block: Int, _ rowScales: A.RowScales, _ y: UnsafeMutablePointer<Float>) {
    a.finish(arguments, block, rowScales, y)
    b.finish(arguments, block, rowScales, y + A.count * arguments.yStride)
  }
}

typealias TwoTokenSums = SumsPair<OneTokenSum, OneTokenSum>
typealias FourTokenSums = SumsPair<TwoTokenSums, TwoTokenSums>
#endif
