// SPDX-License-Identifier: Apache-2.0
#if arch(x86_64)
import Shims

/// y = x·Wᵀ + bias with int8 or int4 weights on the `vpdpbusd` of CPUs without AVX-512: 32 products an instruction, exact to ScalarKernels.
///
/// Weights are the unsigned operand as stored in the file (byte = weight + 128, nibble = weight + 8), activations are broadcast 4 bytes at a time;
/// lane r of an accumulator is output row r of the block. Register tiles of 1 block × 6 tokens; the last 1 … 5 tokens are a tile
/// of their own.
extension VectorKernels {
  @export(interface)
  package static func linearQ8(
    _ arguments: UnsafePointer<LinearArguments>, _ firstBlock: Int, _ endBlock: Int, _ firstToken: Int, _ endToken: Int
  ) {
    linear(Q8.self, arguments.pointee, firstBlock, endBlock, firstToken, endToken)
  }

  @export(interface)
  package static func linearQ4(
    _ arguments: UnsafePointer<LinearArguments>, _ firstBlock: Int, _ endBlock: Int, _ firstToken: Int, _ endToken: Int
  ) {
    linear(Q4.self, arguments.pointee, firstBlock, endBlock, firstToken, endToken)
  }

  @inline(__always)
  private static func linear<F: QuantizedFormat>(
    _: F.Type, _ a: LinearArguments, _ firstBlock: Int, _ endBlock: Int, _ firstToken: Int, _ endToken: Int
  ) {
    guard let weights = a.weights, firstToken < endToken else { return }
    typealias Two = Tokens<OneSum, OneSum>
    typealias TwoWithTwoSums = Tokens<TwoSums, TwoSums>
    var block = firstBlock
    while block < endBlock {
      touchScales(weights + block * a.blockStride, a.payloadOffset)
      var token = firstToken
      while token + 6 <= endToken {
        tile(F.self, Tokens<Tokens<Two, Two>, Two>.self, a, block, token)
        token += 6
      }
      switch endToken - token {
      case 1: tile(F.self, TwoSums.self, a, block, token)
      case 2: tile(F.self, TwoWithTwoSums.self, a, block, token)
      case 3: tile(F.self, Tokens<TwoWithTwoSums, TwoSums>.self, a, block, token)
      case 4: tile(F.self, Tokens<Two, Two>.self, a, block, token)
      case 5: tile(F.self, Tokens<Tokens<Two, Two>, OneSum>.self, a, block, token)
      default: break
      }
      block += 1
    }
  }

  /// One block for the tokens of T. Few of them are bound by reading the weights: see `touchScales`.
  @inline(__always)
  private static func tile<F: QuantizedFormat, T: TokenSums>(_: F.Type, _: T.Type, _ a: LinearArguments, _ block: Int, _ token: Int) {
    guard let weights = a.weights, let values = a.x, let xScales = a.xScales, let xOffsets = a.xOffsets, let y = a.y else { return }
    let (groups, group, stride) = (Int(a.inputs) / Int(a.group), Int(a.group), a.xStride)
    var blockScales = UnsafeRawPointer(weights + block * a.blockStride).assumingMemoryBound(to: UInt16.self)
    var w = UnsafeRawPointer(blockScales) + a.payloadOffset
    var x = UnsafeRawPointer(values + token * stride)
    var scales = xScales + token * groups
    var offsets = xOffsets + token * groups
    var sums = T()
    var g = groups
    while g > 0 {
      sums.begin(offsets, groups)
      var k = group
      while k > 0 {
        sums.addFirst(F.first(w), x, stride)
        sums.addSecond(F.second(w), x + 4, stride)
        w += F.bytesOfEight
        x += 8
        k -= 8
      }
      sums.end(Lanes(half: blockScales), scales, groups)
      blockScales += 16
      scales += 1
      offsets += 1
      g -= 1
    }
    sums.finish(a, block, y + token * a.yStride)
  }
}

/// How the weights of 8 inputs are laid out in a block, as quads of 16 rows.
private protocol QuantizedFormat {
  static var bytesOfEight: Int { get }
  /// Of inputs 0 … 3.
  static func first(_ w: UnsafeRawPointer) -> IntegerLanes
  /// Of inputs 4 … 7.
  static func second(_ w: UnsafeRawPointer) -> IntegerLanes
}

private enum Q8: QuantizedFormat {
  @inline(__always) static var bytesOfEight: Int { 128 }
  @inline(__always) static func first(_ w: UnsafeRawPointer) -> IntegerLanes { IntegerLanes(w) }
  @inline(__always) static func second(_ w: UnsafeRawPointer) -> IntegerLanes { IntegerLanes(w + 64) }
}

/// Inputs 0 … 3 in the low nibbles, 4 … 7 in the high ones.
private enum Q4: QuantizedFormat {
  @inline(__always) static var bytesOfEight: Int { 64 }
  @inline(__always) static func first(_ w: UnsafeRawPointer) -> IntegerLanes {
    let (bytes, mask) = (IntegerLanes(w), _mm256_set1_epi8(15))
    return IntegerLanes(_mm256_and_si256(bytes.a, mask), _mm256_and_si256(bytes.b, mask))
  }
  @inline(__always) static func second(_ w: UnsafeRawPointer) -> IntegerLanes {
    // Loaded again: no register is left to keep them.
    let bytes = IntegerLanes(fovea_same_address(w))
    return IntegerLanes(fovea_high_nibbles_256(bytes.a), fovea_high_nibbles_256(bytes.b))
  }
}

/// Accumulators of one or more consecutive tokens with one block.
private protocol TokenSums {
  /// How many tokens.
  static var count: Int { get }
  init()
  /// Starts a group; token i's offset at `offsets + i·groups`.
  mutating func begin(_ offsets: UnsafePointer<Int32>, _ groups: Int)
  /// Adds the products of inputs 0 … 3 of 8; token i's at `x + i·stride`.
  mutating func addFirst(_ w: IntegerLanes, _ x: UnsafeRawPointer, _ stride: Int)
  /// The same for inputs 4 … 7.
  mutating func addSecond(_ w: IntegerLanes, _ x: UnsafeRawPointer, _ stride: Int)
  /// Ends a group; token i's scale at `scales + i·groups`.
  mutating func end(_ scale: Lanes, _ scales: UnsafePointer<Float>, _ groups: Int)
  func finish(_ a: LinearArguments, _ block: Int, _ y: UnsafeMutablePointer<Float>)
}

/// One of 4 … 6 tokens. Their integer sums take 12 of the 16 registers, so the float sums are spilled between groups.
private struct OneSum: TokenSums {
  private var s = IntegerLanes()
  private var f = Lanes()

  @inline(__always) static var count: Int { 1 }
  @inline(__always) init() {}
  @inline(__always)
  mutating func begin(_ offsets: UnsafePointer<Int32>, _ groups: Int) { s = IntegerLanes(repeating: offsets.pointee) }
  @inline(__always)
  mutating func addFirst(_ w: IntegerLanes, _ x: UnsafeRawPointer, _ stride: Int) { s.add(w, x) }
  @inline(__always)
  mutating func addSecond(_ w: IntegerLanes, _ x: UnsafeRawPointer, _ stride: Int) { s.add(w, x) }
  @inline(__always)
  mutating func end(_ scale: Lanes, _ scales: UnsafePointer<Float>, _ groups: Int) {
    f = f.addingProduct(s.floats, scale * Lanes(repeating: scales.pointee))
  }
  @inline(__always)
  func finish(_ a: LinearArguments, _ block: Int, _ y: UnsafeMutablePointer<Float>) {
    VectorKernels.finishBlock(f, y, a.bias, block * 16, Int(a.outputs))
  }
}

/// One of 1 … 3 tokens, with two sums to hide the latency of `vpdpbusd`.
private struct TwoSums: TokenSums {
  private var s = IntegerLanes(), t = IntegerLanes()
  private var f = Lanes()

  @inline(__always) static var count: Int { 1 }
  @inline(__always) init() {}
  @inline(__always)
  mutating func begin(_ offsets: UnsafePointer<Int32>, _ groups: Int) { (s, t) = (IntegerLanes(repeating: offsets.pointee), IntegerLanes()) }
  @inline(__always)
  mutating func addFirst(_ w: IntegerLanes, _ x: UnsafeRawPointer, _ stride: Int) { s.add(w, x) }
  @inline(__always)
  mutating func addSecond(_ w: IntegerLanes, _ x: UnsafeRawPointer, _ stride: Int) { t.add(w, x) }
  @inline(__always)
  mutating func end(_ scale: Lanes, _ scales: UnsafePointer<Float>, _ groups: Int) {
    f = f.addingProduct((s + t).floats, scale * Lanes(repeating: scales.pointee))
  }
  @inline(__always)
  func finish(_ a: LinearArguments, _ block: Int, _ y: UnsafeMutablePointer<Float>) {
    VectorKernels.finishBlock(f, y, a.bias, block * 16, Int(a.outputs))
  }
}

/// The tokens of A, then those of B.
private struct Tokens<A: TokenSums, B: TokenSums>: TokenSums {
  private var a = A()
  private var b = B()

  @inline(__always) static var count: Int { A.count + B.count }
  @inline(__always) init() {}
  @inline(__always)
  mutating func begin(_ offsets: UnsafePointer<Int32>, _ groups: Int) {
    a.begin(offsets, groups)
    b.begin(offsets + A.count * groups, groups)
  }
  @inline(__always)
  mutating func addFirst(_ w: IntegerLanes, _ x: UnsafeRawPointer, _ stride: Int) {
    a.addFirst(w, x, stride)
    b.addFirst(w, x + A.count * stride, stride)
  }
  @inline(__always)
  mutating func addSecond(_ w: IntegerLanes, _ x: UnsafeRawPointer, _ stride: Int) {
    a.addSecond(w, x, stride)
    b.addSecond(w, x + A.count * stride, stride)
  }
  @inline(__always)
  mutating func end(_ scale: Lanes, _ scales: UnsafePointer<Float>, _ groups: Int) {
    a.end(scale, scales, groups)
    b.end(scale, scales + A.count * groups, groups)
  }
  @inline(__always)
  func finish(_ arguments: LinearArguments, _ block: Int, _ y: UnsafeMutablePointer<Float>) {
    a.finish(arguments, block, y)
    b.finish(arguments, block, y + A.count * arguments.yStride)
  }
}

extension IntegerLanes {
  /// Adds the products of a quad of weights with the 4 activations at `x`.
  @inline(__always)
  fileprivate mutating func add(_ weights: IntegerLanes, _ x: UnsafeRawPointer) {
    self = Int8Product.adding(self, IntegerLanes(repeating: x.assumingMemoryBound(to: Int32.self).pointee), weights)
  }
}
#endif
