// SPDX-License-Identifier: Apache-2.0
#if HAS_LANES
import Shims

/// y = x·Wᵀ + bias with weights of 4, 5 or 6 bits in groups of 32 inputs; exact to ScalarKernels.
///
/// The weights become unsigned bytes of at most seven bits on the way, so one product serves all of them. A tile is one block and some tokens.
extension VectorKernels {
  @export(interface)
  package static func linearSmallGroups(
    _ arguments: UnsafePointer<LinearArguments>, _ firstBlock: Int, _ endBlock: Int, _ firstToken: Int, _ endToken: Int
  ) {
    switch arguments.pointee.bits {
    case 4: linear(FourBits.self, arguments.pointee, firstBlock, endBlock, firstToken, endToken)
    case 5: linear(FiveBits.self, arguments.pointee, firstBlock, endBlock, firstToken, endToken)
    default: linear(SixBits.self, arguments.pointee, firstBlock, endBlock, firstToken, endToken)
    }
  }

  @inline(__always)
  private static func linear<W: SmallGroupWeights>(
    _: W.Type, _ a: LinearArguments, _ firstBlock: Int, _ endBlock: Int, _ firstToken: Int, _ endToken: Int
  ) {
    typealias Two = GroupSumsPair<GroupSum, GroupSum>
    guard let weights = a.weights, firstToken < endToken else { return }
    var block = firstBlock
    while block < endBlock {
      // Two blocks share the loads of activations where registers are many.
      let isPair = pairsBlocks && block + 1 < endBlock && endToken - firstToken >= SixPairSums.count
      var pairs = firstToken
      if isPair {
        while pairs + SixPairSums.count <= endToken {
          pairTile(W.self, SixPairSums.self, a, block, pairs, isFirst: pairs == firstToken)
          pairs += SixPairSums.count
        }
      }
      let last = isPair ? block + 2 : block + 1
      while block < last {
        touchScales(weights + block * a.blockStride, a.payloadOffset)
        var token = pairs
        while token + 4 <= endToken {
          tile(W.self, FourGroupSums.self, a, block, token, isFirst: token == firstToken)
          token += 4
        }
        switch endToken - token {
        case 1: tile(W.self, GroupTwoSums.self, a, block, token, isFirst: false)
        case 2: tile(W.self, Two.self, a, block, token, isFirst: false)
        case 3: tile(W.self, GroupSumsPair<Two, GroupSum>.self, a, block, token, isFirst: false)
        default: break
        }
        block += 1
      }
    }
  }

  /// `tile` for two neighbouring blocks.
  @inline(__always)
  private static func pairTile<W: SmallGroupWeights, T: PairSums>(
    _: W.Type, _: T.Type, _ a: LinearArguments, _ block: Int, _ token: Int, isFirst: Bool
  ) {
    guard let weights = a.weights, let values = a.x, let xScales = a.xScales, let xOffsets = a.xOffsets, let y = a.y else { return }
    let (groups, stride, next) = (Int(a.inputs) / smallGroup, a.xStride, a.blockStride)
    let base = UnsafeRawPointer(weights + block * next)
    var blockScales = (base + 64).assumingMemoryBound(to: UInt8.self)
    var w = base + a.payloadOffset
    var x = UnsafeRawPointer(values + token * stride)
    var scales = xScales + token * groups
    var offsets = xOffsets + token * groups
    let values4 = IntegerLanes(repeating16: fovea_biased_values4())
    var sums = T()
    var g = groups
    while g > 0 {
      if isFirst {
        var line = 0
        while line < W.bytesPerGroup {
          fovea_prefetch_second(w + 2 * next + line)
          fovea_prefetch_second(w + 3 * next + line)
          line += 64
        }
      }
      sums.begin(offsets, groups)
      sums.add(W.quads(w, 0, values4), W.quads(w + next, 0, values4), x, stride)
      sums.add(W.quads(w, 1, values4), W.quads(w + next, 1, values4), x + 8, stride)
      sums.add(W.quads(w, 2, values4), W.quads(w + next, 2, values4), x + 16, stride)
      sums.add(W.quads(w, 3, values4), W.quads(w + next, 3, values4), x + 24, stride)
      sums.end(Lanes(smallScales: blockScales), Lanes(smallScales: blockScales + next), scales, groups)
      w += W.bytesPerGroup
      x += smallGroup
      blockScales += 16
      scales += 1
      offsets += 1
      g -= 1
    }
    let rows = base.assumingMemoryBound(to: Float.self)
    sums.finish(a, block, Lanes(rows), Lanes(rows + next / 4), y + token * a.yStride)
  }

  /// - Parameter isFirst: prefetches the next block's weights: with so many products a line, the hardware prefetcher does not run far enough ahead.
  @inline(__always)
  private static func tile<W: SmallGroupWeights, T: GroupSums>(
    _: W.Type, _: T.Type, _ a: LinearArguments, _ block: Int, _ token: Int, isFirst: Bool
  ) {
    guard let weights = a.weights, let values = a.x, let xScales = a.xScales, let xOffsets = a.xOffsets, let y = a.y else { return }
    let (groups, stride) = (Int(a.inputs) / smallGroup, a.xStride)
    let base = UnsafeRawPointer(weights + block * a.blockStride)
    var blockScales = (base + 64).assumingMemoryBound(to: UInt8.self)
    var w = base + a.payloadOffset
    var x = UnsafeRawPointer(values + token * stride)
    var scales = xScales + token * groups
    var offsets = xOffsets + token * groups
    let values4 = IntegerLanes(repeating16: fovea_biased_values4())
    var sums = T()
    var g = groups
    while g > 0 {
      if T.count > 1, isFirst {
        var line = 0
        while line < W.bytesPerGroup {
          fovea_prefetch_second(w + a.blockStride + line)
          line += 64
        }
      }
      sums.begin(offsets, groups)
      sums.add(W.quads(w, 0, values4), x, stride)
      sums.add(W.quads(w, 1, values4), x + 8, stride)
      sums.add(W.quads(w, 2, values4), x + 16, stride)
      sums.add(W.quads(w, 3, values4), x + 24, stride)
      sums.end(Lanes(smallScales: blockScales), scales, groups)
      w += W.bytesPerGroup
      x += smallGroup
      blockScales += 16
      scales += 1
      offsets += 1
      g -= 1
    }
    sums.finish(a, block, Lanes(base.assumingMemoryBound(to: Float.self)), y + token * a.yStride)
  }
}

/// 8 inputs of 16 rows as unsigned bytes: inputs 0 … 3, then 4 … 7.
struct QuadPair { let first, second: IntegerLanes }

/// How a group's weights stand in its bytes; FORMAT.md §5 has the layouts.
private protocol SmallGroupWeights {
  static var bytesPerGroup: Int { get }
  /// Inputs 8 · quarter and the seven after it.
  static func quads(_ group: UnsafeRawPointer, _ quarter: Int, _ values4: IntegerLanes) -> QuadPair
}

private enum FourBits: SmallGroupWeights {
  @inline(__always) static var bytesPerGroup: Int { 256 }
  @inline(__always) static func quads(_ group: UnsafeRawPointer, _ quarter: Int, _ values4: IntegerLanes) -> QuadPair {
    let codes = IntegerLanes(group + 64 * quarter)
    return QuadPair(first: values4.lookedUp(codes.masked(15)), second: values4.lookedUp(codes.shiftedRight(4).masked(15)))
  }
}

private enum FiveBits: SmallGroupWeights {
  @inline(__always) static var bytesPerGroup: Int { 320 }
  @inline(__always) static func quads(_ group: UnsafeRawPointer, _ quarter: Int, _: IntegerLanes) -> QuadPair {
    let (codes, high) = (IntegerLanes(group + 64 * quarter), IntegerLanes(group + 256))
    let (first, second) =
      switch quarter {
      case 0: (high.shiftedLeft(4), high.shiftedLeft(3))
      case 1: (high.shiftedLeft(2), high.shiftedLeft(1))
      case 2: (high, high.shiftedRight(1))
      default: (high.shiftedRight(2), high.shiftedRight(3))
      }
    return QuadPair(first: codes.masked(15) | first.masked(16), second: codes.shiftedRight(4).masked(15) | second.masked(16))
  }
}

private enum SixBits: SmallGroupWeights {
  @inline(__always) static var bytesPerGroup: Int { 384 }
  @inline(__always) static func quads(_ group: UnsafeRawPointer, _ quarter: Int, _: IntegerLanes) -> QuadPair {
    let (codes, high) = (IntegerLanes(group + 64 * quarter), IntegerLanes(group + 256 + 64 * (quarter / 2)))
    let (first, second) = quarter & 1 == 0 ? (high.shiftedLeft(4), high.shiftedLeft(2)) : (high, high.shiftedRight(2))
    return QuadPair(first: codes.masked(15) | first.masked(48), second: codes.shiftedRight(4).masked(15) | second.masked(48))
  }
}

/// Sums of one or some tokens, which follow each other, with one block.
protocol GroupSums {
  /// How many tokens.
  static var count: Int { get }
  init()
  /// Starts a group; token i's offset at `offsets + i·groups`.
  mutating func begin(_ offsets: UnsafePointer<Int32>, _ groups: Int)
  /// Adds the products of 8 inputs; token i's at `x + i·stride`.
  mutating func add(_ w: QuadPair, _ x: UnsafeRawPointer, _ stride: Int)
  /// Ends a group; token i's scale at `scales + i·groups`.
  mutating func end(_ scale: Lanes, _ scales: UnsafePointer<Float>, _ groups: Int)
  func finish(_ a: LinearArguments, _ block: Int, _ rowScales: Lanes, _ y: UnsafeMutablePointer<Float>)
}

struct GroupSum: GroupSums {
  private var s = IntegerLanes()
  private var f = Lanes()

  @inline(__always) static var count: Int { 1 }
  @inline(__always) init() {}
  @inline(__always) mutating func begin(_ offsets: UnsafePointer<Int32>, _ groups: Int) { s = IntegerLanes(repeating: offsets.pointee) }
  @inline(__always) mutating func add(_ w: QuadPair, _ x: UnsafeRawPointer, _ stride: Int) {
    s = s.addingBytes(w.first, x).addingBytes(w.second, x + 4)
  }
  @inline(__always) mutating func end(_ scale: Lanes, _ scales: UnsafePointer<Float>, _ groups: Int) {
    f = f.addingProduct(s.floats, scale * Lanes(repeating: scales.pointee))
  }
  @inline(__always) func finish(_ a: LinearArguments, _ block: Int, _ rowScales: Lanes, _ y: UnsafeMutablePointer<Float>) {
    VectorKernels.finishBlock(f * rowScales, y, a.bias, block * 16, Int(a.outputs))
  }
}

/// One token; two sums hide the latency of the products.
struct GroupTwoSums: GroupSums {
  private var s = IntegerLanes(), t = IntegerLanes()
  private var f = Lanes()

  @inline(__always) static var count: Int { 1 }
  @inline(__always) init() {}
  @inline(__always) mutating func begin(_ offsets: UnsafePointer<Int32>, _ groups: Int) {
    s = IntegerLanes(repeating: offsets.pointee)
    t = IntegerLanes()
  }
  @inline(__always) mutating func add(_ w: QuadPair, _ x: UnsafeRawPointer, _ stride: Int) {
    s = s.addingBytes(w.first, x)
    t = t.addingBytes(w.second, x + 4)
  }
  @inline(__always) mutating func end(_ scale: Lanes, _ scales: UnsafePointer<Float>, _ groups: Int) {
    f = f.addingProduct((s + t).floats, scale * Lanes(repeating: scales.pointee))
  }
  @inline(__always) func finish(_ a: LinearArguments, _ block: Int, _ rowScales: Lanes, _ y: UnsafeMutablePointer<Float>) {
    VectorKernels.finishBlock(f * rowScales, y, a.bias, block * 16, Int(a.outputs))
  }
}

/// The tokens of A, then those of B.
struct GroupSumsPair<A: GroupSums, B: GroupSums>: GroupSums {
  private var a = A()
  private var b = B()

  @inline(__always) static var count: Int { A.count + B.count }
  @inline(__always) init() {}
  @inline(__always) mutating func begin(_ offsets: UnsafePointer<Int32>, _ groups: Int) {
    a.begin(offsets, groups)
    b.begin(offsets + A.count * groups, groups)
  }
  @inline(__always) mutating func add(_ w: QuadPair, _ x: UnsafeRawPointer, _ stride: Int) {
    a.add(w, x, stride)
    b.add(w, x + A.count * stride, stride)
  }
  @inline(__always) mutating func end(_ scale: Lanes, _ scales: UnsafePointer<Float>, _ groups: Int) {
    a.end(scale, scales, groups)
    b.end(scale, scales + A.count * groups, groups)
  }
  @inline(__always) func finish(_ arguments: LinearArguments, _ block: Int, _ rowScales: Lanes, _ y: UnsafeMutablePointer<Float>) {
    a.finish(arguments, block, rowScales, y)
    b.finish(arguments, block, rowScales, y + A.count * arguments.yStride)
  }
}

typealias FourGroupSums = GroupSumsPair<GroupSumsPair<GroupSum, GroupSum>, GroupSumsPair<GroupSum, GroupSum>>

/// `GroupSums` with two neighbouring blocks.
protocol PairSums {
  static var count: Int { get }
  init()
  mutating func begin(_ offsets: UnsafePointer<Int32>, _ groups: Int)
  mutating func add(_ a: QuadPair, _ b: QuadPair, _ x: UnsafeRawPointer, _ stride: Int)
  mutating func end(_ scaleA: Lanes, _ scaleB: Lanes, _ scales: UnsafePointer<Float>, _ groups: Int)
  func finish(_ a: LinearArguments, _ block: Int, _ rowsA: Lanes, _ rowsB: Lanes, _ y: UnsafeMutablePointer<Float>)
}

struct PairSum: PairSums {
  private var s = IntegerLanes(), t = IntegerLanes()
  private var f = Lanes(), g = Lanes()

  @inline(__always) static var count: Int { 1 }
  @inline(__always) init() {}
  @inline(__always) mutating func begin(_ offsets: UnsafePointer<Int32>, _ groups: Int) {
    s = IntegerLanes(repeating: offsets.pointee)
    t = s
  }
  @inline(__always) mutating func add(_ a: QuadPair, _ b: QuadPair, _ x: UnsafeRawPointer, _ stride: Int) {
    s = s.addingBytes(a.first, x)
    t = t.addingBytes(b.first, x)
    s = s.addingBytes(a.second, x + 4)
    t = t.addingBytes(b.second, x + 4)
  }
  @inline(__always) mutating func end(_ scaleA: Lanes, _ scaleB: Lanes, _ scales: UnsafePointer<Float>, _ groups: Int) {
    let x = Lanes(repeating: scales.pointee)
    f = f.addingProduct(s.floats, scaleA * x)
    g = g.addingProduct(t.floats, scaleB * x)
  }
  @inline(__always) func finish(_ a: LinearArguments, _ block: Int, _ rowsA: Lanes, _ rowsB: Lanes, _ y: UnsafeMutablePointer<Float>) {
    VectorKernels.finishBlock(f * rowsA, y, a.bias, block * 16, Int(a.outputs))
    VectorKernels.finishBlock(g * rowsB, y, a.bias, block * 16 + 16, Int(a.outputs))
  }
}

struct PairSumsPair<A: PairSums, B: PairSums>: PairSums {
  private var a = A()
  private var b = B()

  @inline(__always) static var count: Int { A.count + B.count }
  @inline(__always) init() {}
  @inline(__always) mutating func begin(_ offsets: UnsafePointer<Int32>, _ groups: Int) {
    a.begin(offsets, groups)
    b.begin(offsets + A.count * groups, groups)
  }
  @inline(__always) mutating func add(_ first: QuadPair, _ second: QuadPair, _ x: UnsafeRawPointer, _ stride: Int) {
    a.add(first, second, x, stride)
    b.add(first, second, x + A.count * stride, stride)
  }
  @inline(__always) mutating func end(_ scaleA: Lanes, _ scaleB: Lanes, _ scales: UnsafePointer<Float>, _ groups: Int) {
    a.end(scaleA, scaleB, scales, groups)
    b.end(scaleA, scaleB, scales + A.count * groups, groups)
  }
  @inline(__always) func finish(_ arguments: LinearArguments, _ block: Int, _ rowsA: Lanes, _ rowsB: Lanes, _ y: UnsafeMutablePointer<Float>) {
    a.finish(arguments, block, rowsA, rowsB, y)
    b.finish(arguments, block, rowsA, rowsB, y + A.count * arguments.yStride)
  }
}

typealias SixPairSums = PairSumsPair<PairSumsPair<PairSum, PairSum>, PairSumsPair<PairSumsPair<PairSum, PairSum>, PairSumsPair<PairSum, PairSum>>>
#endif
