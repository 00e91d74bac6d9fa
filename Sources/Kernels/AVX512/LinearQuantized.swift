// SPDX-License-Identifier: Apache-2.0
#if arch(x86_64)
import Shims

/// y = x·Wᵀ + bias with int8 or int4 weights on `vpdpbusd`: 64 products an instruction, exact to ScalarKernels.
///
/// Weights are the unsigned operand as stored in the file (byte = weight + 128, nibble = weight + 8), activations are broadcast 4 bytes at a time;
/// lane r of an accumulator is output row r of the block. Six tokens and more: register tiles of 2 blocks × 6 or 12 tokens. Fewer: the
/// blocks one after the other, read in order.
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
    let (end, count) = (endToken, endToken - firstToken)
    var block = firstBlock
    while block < endBlock {
      let second = block + 1 < endBlock ? block + 1 : block
      var token = firstToken
      // The first tile prefetches the next blocks' weights.
      if F.isWide, count >= 12, a.group >= 256, second > block, (second + 1) * 16 <= Int(a.outputs) {
        wideStreamTile(a, block, second, token)
        token += 12
        while token + 12 <= end {
          wideTile(a, block, second, token)
          token += 12
        }
      } else if count >= 6 {
        tile(F.self, a, block, second, token, isStream: true)
        token += 6
      }
      while token + 6 <= end {
        tile(F.self, a, block, second, token, isStream: false)
        token += 6
      }
      if token < end {
        few(F.self, a, block, token, end - token)
        if second > block { few(F.self, a, second, token, end - token) }
      }
      block += 2
    }
  }

  /// Blocks `first` and `second` (which may be the same) for 6 tokens.
  /// - Parameter isStream: prefetches the weights of the next blocks.
  @inline(__always)
  private static func tile<F: QuantizedFormat>(
    _: F.Type, _ a: LinearArguments, _ first: Int, _ second: Int, _ token: Int, isStream: Bool
  ) {
    guard let weights = a.weights, let values = a.x, let xScales = a.xScales, let xOffsets = a.xOffsets, let y = a.y else { return }
    let (groups, group, stride) = (Int(a.inputs) / Int(a.group), Int(a.group), a.xStride)
    var scales0 = UnsafeRawPointer(weights + first * a.blockStride).assumingMemoryBound(to: UInt16.self)
    var scales1 = UnsafeRawPointer(weights + second * a.blockStride).assumingMemoryBound(to: UInt16.self)
    var w0 = UnsafeRawPointer(scales0) + a.payloadOffset
    var w1 = UnsafeRawPointer(scales1) + a.payloadOffset
    var x = UnsafeRawPointer(values + token * stride)
    var scales = xScales + token * groups
    var offsets = xOffsets + token * groups
    var f0 = Pair(), f1 = Pair(), f2 = Pair(), f3 = Pair(), f4 = Pair(), f5 = Pair()
    var g = groups
    while g > 0 {
      var s0 = IntegerPair(offsets[0]), s1 = IntegerPair(offsets[groups]), s2 = IntegerPair(offsets[2 * groups])
      var s3 = IntegerPair(offsets[3 * groups]), s4 = IntegerPair(offsets[4 * groups]), s5 = IntegerPair(offsets[5 * groups])
      var k = group
      while k > 0 {
        var step = 0
        while step < 2 {  // unrolled
          let v0 = F.load(w0), v1 = F.load(w1)
          if isStream {
            fovea_prefetch_second(w0 + 2 * a.blockStride)
            fovea_prefetch_second(w1 + 2 * a.blockStride)
          }
          F.add(&s0, v0, v1, x)
          F.add(&s1, v0, v1, x + stride)
          F.add(&s2, v0, v1, x + 2 * stride)
          F.add(&s3, v0, v1, x + 3 * stride)
          F.add(&s4, v0, v1, x + 4 * stride)
          F.add(&s5, v0, v1, x + 5 * stride)
          w0 += 64
          w1 += 64
          x += F.inputsPerVector
          step += 1
        }
        k -= 2 * F.inputsPerVector
      }
      let scale0 = Lanes(half: scales0), scale1 = Lanes(half: scales1)
      f0.add(s0, scale0, scale1, scales[0])
      f1.add(s1, scale0, scale1, scales[groups])
      f2.add(s2, scale0, scale1, scales[2 * groups])
      f3.add(s3, scale0, scale1, scales[3 * groups])
      f4.add(s4, scale0, scale1, scales[4 * groups])
      f5.add(s5, scale0, scale1, scales[5 * groups])
      scales0 += 16
      scales1 += 16
      scales += 1
      offsets += 1
      g -= 1
    }
    let to = y + token * a.yStride
    f0.finish(a, first, second, to)
    f1.finish(a, first, second, to + a.yStride)
    f2.finish(a, first, second, to + 2 * a.yStride)
    f3.finish(a, first, second, to + 3 * a.yStride)
    f4.finish(a, first, second, to + 4 * a.yStride)
    f5.finish(a, first, second, to + 5 * a.yStride)
  }

  /// The same for 12 tokens of int8 and two whole blocks, with fewer loads. The integer sums take 24 registers, so the float sums are
  /// accumulated in y, group by group: worth it where groups are large.
  @inline(never)
  private static func wideTile(_ a: LinearArguments, _ first: Int, _ second: Int, _ token: Int) {
    wideTile(a, first, second, token, isStream: false)
  }

  /// `wideTile` with prefetches of the next blocks' weights. A function of its own: a branch in the loop would cost registers.
  @inline(never)
  private static func wideStreamTile(_ a: LinearArguments, _ first: Int, _ second: Int, _ token: Int) {
    wideTile(a, first, second, token, isStream: true)
  }

  @inline(__always)
  private static func wideTile(_ a: LinearArguments, _ first: Int, _ second: Int, _ token: Int, isStream: Bool) {
    guard let weights = a.weights, let values = a.x, let xScales = a.xScales, let xOffsets = a.xOffsets, let y = a.y else { return }
    let (groups, group, stride) = (Int(a.inputs) / Int(a.group), Int(a.group), a.xStride)
    var scales0 = UnsafeRawPointer(weights + first * a.blockStride).assumingMemoryBound(to: UInt16.self)
    var scales1 = UnsafeRawPointer(weights + second * a.blockStride).assumingMemoryBound(to: UInt16.self)
    var w0 = UnsafeRawPointer(scales0) + a.payloadOffset
    var w1 = UnsafeRawPointer(scales1) + a.payloadOffset
    var x = UnsafeRawPointer(values + token * stride)
    var scales = xScales + token * groups
    var offsets = xOffsets + token * groups
    let (y0, y1) = (y + token * a.yStride + first * 16, y + token * a.yStride + second * 16)
    var g = groups
    while g > 0 {
      var s0 = IntegerPair(offsets[0]), s1 = IntegerPair(offsets[groups]), s2 = IntegerPair(offsets[2 * groups])
      var s3 = IntegerPair(offsets[3 * groups]), s4 = IntegerPair(offsets[4 * groups]), s5 = IntegerPair(offsets[5 * groups])
      var s6 = IntegerPair(offsets[6 * groups]), s7 = IntegerPair(offsets[7 * groups]), s8 = IntegerPair(offsets[8 * groups])
      var s9 = IntegerPair(offsets[9 * groups]), s10 = IntegerPair(offsets[10 * groups]), s11 = IntegerPair(offsets[11 * groups])
      var k = group
      while k > 0 {
        let v0 = vector(w0), v1 = vector(w1)
        let y = x + 4 * stride, z = x + 8 * stride
        s0.add(v0, v1, x)
        s1.add(v0, v1, x + stride)
        s2.add(v0, v1, x + 2 * stride)
        s3.add(v0, v1, x + 3 * stride)
        s4.add(v0, v1, y)
        s5.add(v0, v1, y + stride)
        s6.add(v0, v1, y + 2 * stride)
        s7.add(v0, v1, y + 3 * stride)
        s8.add(v0, v1, z)
        s9.add(v0, v1, z + stride)
        s10.add(v0, v1, z + 2 * stride)
        s11.add(v0, v1, z + 3 * stride)
        if isStream {
          fovea_prefetch_second(w0 + 2 * a.blockStride)
          fovea_prefetch_second(w1 + 2 * a.blockStride)
        }
        w0 += 64
        w1 += 64
        x += 4
        k -= 4
      }
      let (scale0, scale1) = (Lanes(half: scales0), Lanes(half: scales1))
      // The bias is added with the last group; before it −0, which changes no number.
      let nothing = Lanes(repeating: -0.0)
      let (bias0, bias1) = if g == 1, let bias = a.bias { (Lanes(bias + first * 16), Lanes(bias + second * 16)) } else { (nothing, nothing) }
      @inline(__always) func put(_ t: Int, _ s: IntegerPair, isFirst: Bool) {
        let (p, q, scale) = (y0 + t * a.yStride, y1 + t * a.yStride, Lanes(repeating: scales[t * groups]))
        ((isFirst ? Lanes() : Lanes(p)).addingProduct(Lanes(_mm512_cvtepi32_ps(s.a)), scale0 * scale) + bias0).store(p)
        ((isFirst ? Lanes() : Lanes(q)).addingProduct(Lanes(_mm512_cvtepi32_ps(s.b)), scale1 * scale) + bias1).store(q)
      }
      @inline(__always) func putAll(isFirst: Bool) {
        put(0, s0, isFirst: isFirst)
        put(1, s1, isFirst: isFirst)
        put(2, s2, isFirst: isFirst)
        put(3, s3, isFirst: isFirst)
        put(4, s4, isFirst: isFirst)
        put(5, s5, isFirst: isFirst)
        put(6, s6, isFirst: isFirst)
        put(7, s7, isFirst: isFirst)
        put(8, s8, isFirst: isFirst)
        put(9, s9, isFirst: isFirst)
        put(10, s10, isFirst: isFirst)
        put(11, s11, isFirst: isFirst)
      }
      if g == groups { putAll(isFirst: true) } else { putAll(isFirst: false) }
      scales0 += 16
      scales1 += 16
      scales += 1
      offsets += 1
      g -= 1
    }
  }

  /// One block for `count` (1 … 5) tokens: bound by reading the weights, as one stream (two blocks at a time reached two thirds of the memory
  /// bandwidth).
  @inline(__always)
  private static func few<F: QuantizedFormat>(_: F.Type, _ a: LinearArguments, _ block: Int, _ token: Int, _ count: Int) {
    typealias Two = Tokens<OneToken, OneToken>
    switch count {
    case 1: stream(F.self, OneToken.self, a, block, token)
    case 2: stream(F.self, Two.self, a, block, token)
    case 3: stream(F.self, Tokens<Two, OneToken>.self, a, block, token)
    case 4: stream(F.self, Tokens<Two, Two>.self, a, block, token)
    default: stream(F.self, Tokens<Tokens<Two, Two>, OneToken>.self, a, block, token)
    }
  }

  @inline(__always)
  private static func stream<F: QuantizedFormat, T: TokenSums>(_: F.Type, _: T.Type, _ a: LinearArguments, _ block: Int, _ token: Int) {
    guard let weights = a.weights, let values = a.x, let xScales = a.xScales, let xOffsets = a.xOffsets, let y = a.y else { return }
    let (groups, group) = (Int(a.inputs) / Int(a.group), Int(a.group))
    let base = UnsafeRawPointer(weights + block * a.blockStride)
    touchScales(base, a.payloadOffset)
    var blockScales = base.assumingMemoryBound(to: UInt16.self)
    var w = base + a.payloadOffset
    var x = UnsafeRawPointer(values + token * a.xStride)
    var scales = xScales + token * groups
    var offsets = xOffsets + token * groups
    var sums = T()
    var g = groups
    while g > 0 {
      sums.begin(offsets, groups)
      var k = group
      while k > 0 {
        prefetchWeights(a, w, 64 * (16 / F.inputsPerVector))
        sums.add(F.sixteen(w), x, a.xStride)
        w += 64 * (16 / F.inputsPerVector)
        x += 16
        k -= 16
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

/// How weights of one block are laid out in 64-byte vectors.
private protocol QuantizedFormat {
  associatedtype Vector
  static var inputsPerVector: Int { get }
  /// Whether `wideTile` computes it.
  static var isWide: Bool { get }
  static func load(_ w: UnsafeRawPointer) -> Vector
  /// Adds the products of two blocks' vectors with the activations at `x`.
  static func add(_ sums: inout IntegerPair, _ w0: Vector, _ w1: Vector, _ x: UnsafeRawPointer)
  static func sixteen(_ w: UnsafeRawPointer) -> SixteenInputs
}

@inline(__always)
private func broadcast(_ x: UnsafeRawPointer) -> __m512i { _mm512_set1_epi32(x.assumingMemoryBound(to: Int32.self).pointee) }

@inline(__always)
private func vector(_ w: UnsafeRawPointer) -> __m512i { _mm512_loadu_si512(w) }

private enum Q8: QuantizedFormat {
  @inline(__always) static var inputsPerVector: Int { 4 }
  @inline(__always) static var isWide: Bool { true }
  @inline(__always) static func load(_ w: UnsafeRawPointer) -> __m512i { vector(w) }

  @inline(__always)
  static func add(_ sums: inout IntegerPair, _ w0: __m512i, _ w1: __m512i, _ x: UnsafeRawPointer) {
    sums.add(w0, w1, x)
  }

  @inline(__always)
  static func sixteen(_ w: UnsafeRawPointer) -> SixteenInputs {
    SixteenInputs(a: vector(w), b: vector(w + 64), c: vector(w + 128), d: vector(w + 192))
  }
}

private enum Q4: QuantizedFormat {
  /// Inputs 0 … 3 in the low nibbles, 4 … 7 in the high ones.
  struct Nibbles { var low, high: __m512i }

  @inline(__always) static var inputsPerVector: Int { 8 }
  @inline(__always) static var isWide: Bool { false }

  @inline(__always)
  static func load(_ w: UnsafeRawPointer) -> Nibbles {
    let bytes = vector(w)
    let mask = _mm512_set1_epi8(15)
    return Nibbles(low: _mm512_and_si512(bytes, mask), high: _mm512_and_si512(_mm512_srli_epi16(bytes, 4), mask))
  }

  @inline(__always)
  static func add(_ sums: inout IntegerPair, _ w0: Nibbles, _ w1: Nibbles, _ x: UnsafeRawPointer) {
    sums.add(w0.low, w1.low, x)
    sums.add(w0.high, w1.high, x + 4)
  }

  @inline(__always)
  static func sixteen(_ w: UnsafeRawPointer) -> SixteenInputs {
    let (first, second) = (load(w), load(w + 64))
    return SixteenInputs(a: first.low, b: first.high, c: second.low, d: second.high)
  }
}

/// 16 inputs of a block, four to a vector.
private struct SixteenInputs {
  let a, b, c, d: __m512i
}

/// Accumulators of one or more consecutive tokens with one block.
private protocol TokenSums {
  /// How many tokens.
  static var count: Int { get }
  init()
  /// Starts a group; token i's offset at `offsets + i·groups`.
  mutating func begin(_ offsets: UnsafePointer<Int32>, _ groups: Int)
  /// Adds the products of 16 inputs; token i's at `x + i·stride`.
  mutating func add(_ w: SixteenInputs, _ x: UnsafeRawPointer, _ stride: Int)
  /// Ends a group; token i's scale at `scales + i·groups`.
  mutating func end(_ scale: Lanes, _ scales: UnsafePointer<Float>, _ groups: Int)
  func finish(_ a: LinearArguments, _ block: Int, _ y: UnsafeMutablePointer<Float>)
}

/// Two sums hide the latency of `vpdpbusd`.
private struct OneToken: TokenSums {
  private var s = _mm512_setzero_si512(), t = _mm512_setzero_si512()
  private var f = Lanes()

  @inline(__always) static var count: Int { 1 }
  @inline(__always) init() {}
  @inline(__always)
  mutating func begin(_ offsets: UnsafePointer<Int32>, _ groups: Int) {
    s = _mm512_set1_epi32(offsets.pointee)
    t = _mm512_setzero_si512()
  }
  @inline(__always)
  mutating func add(_ w: SixteenInputs, _ x: UnsafeRawPointer, _ stride: Int) {
    s = _mm512_dpbusd_epi32(s, w.a, broadcast(x))
    t = _mm512_dpbusd_epi32(t, w.b, broadcast(x + 4))
    s = _mm512_dpbusd_epi32(s, w.c, broadcast(x + 8))
    t = _mm512_dpbusd_epi32(t, w.d, broadcast(x + 12))
  }
  @inline(__always)
  mutating func end(_ scale: Lanes, _ scales: UnsafePointer<Float>, _ groups: Int) {
    f = f.addingProduct(Lanes(_mm512_cvtepi32_ps(_mm512_add_epi32(s, t))), scale * Lanes(repeating: scales.pointee))
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
  mutating func add(_ w: SixteenInputs, _ x: UnsafeRawPointer, _ stride: Int) {
    a.add(w, x, stride)
    b.add(w, x + A.count * stride, stride)
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

/// Sums of one token with two blocks, 16 int32 each.
private struct IntegerPair {
  var a, b: __m512i

  @inline(__always)
  init(_ start: Int32) {
    a = _mm512_set1_epi32(start)
    b = a
  }

  /// Adds the products of 4 inputs with the activations at `x`.
  @inline(__always)
  mutating func add(_ w0: __m512i, _ w1: __m512i, _ x: UnsafeRawPointer) {
    let v = broadcast(x)
    a = _mm512_dpbusd_epi32(a, w0, v)
    b = _mm512_dpbusd_epi32(b, w1, v)
  }
}

/// Outputs of one token with two blocks.
private struct Pair {
  var a = Lanes(), b = Lanes()

  @inline(__always)
  mutating func add(_ sums: IntegerPair, _ scaleA: Lanes, _ scaleB: Lanes, _ xScale: Float) {
    let x = Lanes(repeating: xScale)
    a = a.addingProduct(Lanes(_mm512_cvtepi32_ps(sums.a)), scaleA * x)
    b = b.addingProduct(Lanes(_mm512_cvtepi32_ps(sums.b)), scaleB * x)
  }

  @inline(__always)
  func finish(_ arguments: LinearArguments, _ first: Int, _ second: Int, _ y: UnsafeMutablePointer<Float>) {
    VectorKernels.finishBlock(a, y, arguments.bias, first * 16, Int(arguments.outputs))
    VectorKernels.finishBlock(b, y, arguments.bias, second * 16, Int(arguments.outputs))
  }
}
#endif
