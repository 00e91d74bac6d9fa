// SPDX-License-Identifier: Apache-2.0
#if arch(x86_64)
import Shims

/// y = x·Wᵀ + bias with int8 or int4 weights on `vpdpbusd`: 64 products an instruction, exact to ScalarKernels.
///
/// Weights are the unsigned operand as they stand in the file (byte = weight + 128, nibble = weight + 8), activations are broadcast 4 bytes
/// at a time; lane r of an accumulator is output row r of the block. Several tokens: register tiles of 2 blocks × 6 or 12 tokens. One token: a
/// stream over the weights, block by block.
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
    let total = endToken - firstToken
    let isAlone = total == 1 || total == 7  // a lone token is cheaper by itself than as a tile of 6
    let end = isAlone ? endToken - 1 : endToken
    let count = end - firstToken
    var block = firstBlock
    while block < endBlock {
      let second = block + 1 < endBlock ? block + 1 : block
      var token = firstToken
      // The first tokens ask for the next blocks' weights.
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
      } else if count > 0 {
        few(F.self, a, block, second, token, count)
        token = end
      }
      while token + 6 <= end {
        tile(F.self, a, block, second, token, isStream: false)
        token += 6
      }
      if token < end { tile(F.self, a, block, second, end - 6, isStream: false) }  // takes some again
      block += 2
    }
    guard isAlone else { return }
    block = firstBlock
    while block < endBlock {
      single(F.self, a, block, end)
      block += 1
    }
  }

  /// Blocks `first` and `second` (which may be the same) for 6 tokens.
  /// - Parameter isStream: few tokens use these weights: the next blocks' are asked for meanwhile.
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

  /// The same for 12 tokens of int8 and two whole blocks, with fewer loads. The integer sums take 24 registers, so the float sums wait in y
  /// between groups, which pays where groups are large.
  @inline(never)
  private static func wideTile(_ a: LinearArguments, _ first: Int, _ second: Int, _ token: Int) {
    wideTile(a, first, second, token, isStream: false)
  }

  /// `wideTile` that asks for the next blocks' weights. Apart, so that the compiler sees no branch in the loop, which would cost it registers.
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
      // The bias comes last, with the last group: −0 until then, which changes no number.
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

  /// The same for `count` (2 … 5) tokens; missing ones repeat the last. Bound by how fast the weights come, even so.
  @inline(__always)
  private static func few<F: QuantizedFormat>(_: F.Type, _ a: LinearArguments, _ first: Int, _ second: Int, _ token: Int, _ count: Int) {
    guard let weights = a.weights, let x = a.x, let xScales = a.xScales, let xOffsets = a.xOffsets, let y = a.y else { return }
    let groups = Int(a.inputs) / Int(a.group)
    let group = Int(a.group)
    let base0 = UnsafeRawPointer(weights + first * a.blockStride)
    let base1 = UnsafeRawPointer(weights + second * a.blockStride)
    var w0 = base0 + a.payloadOffset
    var w1 = base1 + a.payloadOffset
    let last = token + count - 1
    let (t0, t1, t2) = (token, token + 1 < last ? token + 1 : last, token + 2 < last ? token + 2 : last)
    let (t3, t4, t5) = (token + 3 < last ? token + 3 : last, token + 4 < last ? token + 4 : last, last)
    let x0 = UnsafeRawPointer(x + t0 * a.xStride), x1 = UnsafeRawPointer(x + t1 * a.xStride)
    let x2 = UnsafeRawPointer(x + t2 * a.xStride), x3 = UnsafeRawPointer(x + t3 * a.xStride)
    let x4 = UnsafeRawPointer(x + t4 * a.xStride), x5 = UnsafeRawPointer(x + t5 * a.xStride)
    var f0 = Pair(), f1 = Pair(), f2 = Pair(), f3 = Pair(), f4 = Pair(), f5 = Pair()
    var g = 0
    var k = 0
    while g < groups {
      var s0 = IntegerPair(xOffsets[t0 * groups + g]), s1 = IntegerPair(xOffsets[t1 * groups + g])
      var s2 = IntegerPair(xOffsets[t2 * groups + g]), s3 = IntegerPair(xOffsets[t3 * groups + g])
      var s4 = IntegerPair(xOffsets[t4 * groups + g]), s5 = IntegerPair(xOffsets[t5 * groups + g])
      let end = k + group
      while k < end {
        let v0 = F.load(w0), v1 = F.load(w1)
        fovea_prefetch_second(w0 + 2 * a.blockStride)
        fovea_prefetch_second(w1 + 2 * a.blockStride)
        F.add(&s0, v0, v1, x0 + k)
        F.add(&s1, v0, v1, x1 + k)
        F.add(&s2, v0, v1, x2 + k)
        F.add(&s3, v0, v1, x3 + k)
        F.add(&s4, v0, v1, x4 + k)
        F.add(&s5, v0, v1, x5 + k)
        w0 += 64
        w1 += 64
        k += F.inputsPerVector
      }
      let scale0 = Lanes(half: (base0 + g * 32).assumingMemoryBound(to: UInt16.self))
      let scale1 = Lanes(half: (base1 + g * 32).assumingMemoryBound(to: UInt16.self))
      f0.add(s0, scale0, scale1, xScales[t0 * groups + g])
      f1.add(s1, scale0, scale1, xScales[t1 * groups + g])
      f2.add(s2, scale0, scale1, xScales[t2 * groups + g])
      f3.add(s3, scale0, scale1, xScales[t3 * groups + g])
      f4.add(s4, scale0, scale1, xScales[t4 * groups + g])
      f5.add(s5, scale0, scale1, xScales[t5 * groups + g])
      g += 1
    }
    f0.finish(a, first, second, y + t0 * a.yStride)
    f1.finish(a, first, second, y + t1 * a.yStride)
    f2.finish(a, first, second, y + t2 * a.yStride)
    f3.finish(a, first, second, y + t3 * a.yStride)
    f4.finish(a, first, second, y + t4 * a.yStride)
    f5.finish(a, first, second, y + t5 * a.yStride)
  }

  /// A block for one token: bound by how fast the weights come, which is the memory's speed where they are one stream that the processor
  /// fetches ahead by itself. Two blocks at a time, or prefetches of our own (it drops them when it is busy), come to two thirds of that.
  @inline(__always)
  private static func single<F: QuantizedFormat>(_: F.Type, _ a: LinearArguments, _ block: Int, _ token: Int) {
    guard let weights = a.weights, let values = a.x, let xScales = a.xScales, let xOffsets = a.xOffsets, let y = a.y else { return }
    let (groups, group) = (Int(a.inputs) / Int(a.group), Int(a.group))
    let base = UnsafeRawPointer(weights + block * a.blockStride)
    touchScales(base, a.payloadOffset)
    var blockScales = base.assumingMemoryBound(to: UInt16.self)
    var w = base + a.payloadOffset
    var x = UnsafeRawPointer(values + token * a.xStride)
    var scales = xScales + token * groups
    var offsets = xOffsets + token * groups
    var f = Lanes()
    var g = groups
    while g > 0 {
      var s = _mm512_set1_epi32(offsets.pointee), t = _mm512_setzero_si512()
      var u = t, v = t
      var k = group
      while k > 0 {
        F.addSixteen(&s, &t, &u, &v, w, x)
        w += 64 * (16 / F.inputsPerVector)
        x += 16
        k -= 16
      }
      let sum = _mm512_add_epi32(_mm512_add_epi32(s, t), _mm512_add_epi32(u, v))
      f = f.addingProduct(Lanes(_mm512_cvtepi32_ps(sum)), Lanes(half: blockScales) * Lanes(repeating: scales.pointee))
      blockScales += 16
      scales += 1
      offsets += 1
      g -= 1
    }
    finishBlock(f, y + token * a.yStride, a.bias, block * 16, Int(a.outputs))
  }
}

/// How weights of one block stand in 64-byte vectors.
private protocol QuantizedFormat {
  associatedtype Vector
  static var inputsPerVector: Int { get }
  /// Whether `wideTile` computes it.
  static var isWide: Bool { get }
  static func load(_ w: UnsafeRawPointer) -> Vector
  /// Adds the products of two blocks' vectors with the activations at `x`.
  static func add(_ sums: inout IntegerPair, _ w0: Vector, _ w1: Vector, _ x: UnsafeRawPointer)
  /// Adds the products of 16 inputs of a block, spread over four sums.
  static func addSixteen(
    _ s: inout __m512i, _ t: inout __m512i, _ u: inout __m512i, _ v: inout __m512i, _ w: UnsafeRawPointer, _ x: UnsafeRawPointer)
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
  static func addSixteen(
    _ s: inout __m512i, _ t: inout __m512i, _ u: inout __m512i, _ v: inout __m512i, _ w: UnsafeRawPointer, _ x: UnsafeRawPointer
  ) {
    s = _mm512_dpbusd_epi32(s, vector(w), broadcast(x))
    t = _mm512_dpbusd_epi32(t, vector(w + 64), broadcast(x + 4))
    u = _mm512_dpbusd_epi32(u, vector(w + 128), broadcast(x + 8))
    v = _mm512_dpbusd_epi32(v, vector(w + 192), broadcast(x + 12))
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
  static func addSixteen(
    _ s: inout __m512i, _ t: inout __m512i, _ u: inout __m512i, _ v: inout __m512i, _ w: UnsafeRawPointer, _ x: UnsafeRawPointer
  ) {
    let first = load(w), second = load(w + 64)
    s = _mm512_dpbusd_epi32(s, first.low, broadcast(x))
    t = _mm512_dpbusd_epi32(t, first.high, broadcast(x + 4))
    u = _mm512_dpbusd_epi32(u, second.low, broadcast(x + 8))
    v = _mm512_dpbusd_epi32(v, second.high, broadcast(x + 12))
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
