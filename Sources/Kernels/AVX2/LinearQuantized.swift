// SPDX-License-Identifier: Apache-2.0
#if arch(x86_64)
import Shims

/// y = x·Wᵀ + bias with int8 or int4 weights on `vpmaddubsw`: 32 products an instruction, exact to ScalarKernels.
///
/// Activations are broadcast 4 bytes at a time; lane r of an accumulator is output row r (or 8 + r) of the block.
/// - int8: weights back to signed (byte xor 0x80); |w| is the unsigned operand and its sign moves to the activation.
///   |w|, |x| ≤ 127, so a pair's sum ≤ 32 258 fits int16 and is widened at once.
/// - int4: the nibble (0 … 15) is the unsigned operand; a pair's sum ≤ 3 810, so 8 of them (≤ 30 480) add up in int16 before widening.
/// Register tiles of 1 block × 4 tokens; missing tokens repeat the last one.
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
    var block = firstBlock
    while block < endBlock {
      var token = firstToken
      while token < endToken {
        let count = endToken - token
        if count == 1 { single(F.self, a, block, token) } else { tile(F.self, a, block, token, count < 4 ? count : 4) }
        token += 4
      }
      block += 1
    }
  }

  @inline(__always)
  private static func tile<F: QuantizedFormat>(_: F.Type, _ a: LinearArguments, _ block: Int, _ token: Int, _ count: Int) {
    guard let weights = a.weights, let x = a.x, let xScales = a.xScales, let xOffsets = a.xOffsets, let y = a.y else { return }
    let groups = Int(a.inputs) / Int(a.group)
    let group = Int(a.group)
    let base = UnsafeRawPointer(weights + block * a.blockStride)
    var w = base + a.payloadOffset
    let last = token + count - 1
    let (t0, t1, t2, t3) = (token, token + 1 < last ? token + 1 : last, token + 2 < last ? token + 2 : last, last)
    let x0 = UnsafeRawPointer(x + t0 * a.xStride), x1 = UnsafeRawPointer(x + t1 * a.xStride)
    let x2 = UnsafeRawPointer(x + t2 * a.xStride), x3 = UnsafeRawPointer(x + t3 * a.xStride)
    var f0 = Lanes(), f1 = Lanes(), f2 = Lanes(), f3 = Lanes()
    var g = 0
    var k = 0
    while g < groups {
      var s0 = IntegerLanes(), s1 = IntegerLanes(), s2 = IntegerLanes(), s3 = IntegerLanes()
      let end = k + group
      while k < end {
        F.add32(&s0, &s1, &s2, &s3, w, x0 + k, x1 + k, x2 + k, x3 + k)
        w += 64 * (32 / F.inputsPerVector)
        k += 32
      }
      let scale = Lanes(half: (base + g * 32).assumingMemoryBound(to: UInt16.self))
      f0 = f0.addingProduct(s0.floats(plus: F.offset(xOffsets[t0 * groups + g])), scale * Lanes(repeating: xScales[t0 * groups + g]))
      f1 = f1.addingProduct(s1.floats(plus: F.offset(xOffsets[t1 * groups + g])), scale * Lanes(repeating: xScales[t1 * groups + g]))
      f2 = f2.addingProduct(s2.floats(plus: F.offset(xOffsets[t2 * groups + g])), scale * Lanes(repeating: xScales[t2 * groups + g]))
      f3 = f3.addingProduct(s3.floats(plus: F.offset(xOffsets[t3 * groups + g])), scale * Lanes(repeating: xScales[t3 * groups + g]))
      g += 1
    }
    finishBlock(f0, y + t0 * a.yStride, a.bias, block * 16, Int(a.outputs))
    finishBlock(f1, y + t1 * a.yStride, a.bias, block * 16, Int(a.outputs))
    finishBlock(f2, y + t2 * a.yStride, a.bias, block * 16, Int(a.outputs))
    finishBlock(f3, y + t3 * a.yStride, a.bias, block * 16, Int(a.outputs))
  }

  /// GEMV, bound by reading the weights: see `touchScales`.
  @inline(__always)
  private static func single<F: QuantizedFormat>(_: F.Type, _ a: LinearArguments, _ block: Int, _ token: Int) {
    guard let weights = a.weights, let x = a.x, let xScales = a.xScales, let xOffsets = a.xOffsets, let y = a.y else { return }
    let groups = Int(a.inputs) / Int(a.group)
    let group = Int(a.group)
    let base = UnsafeRawPointer(weights + block * a.blockStride)
    touchScales(base, a.payloadOffset)
    var w = base + a.payloadOffset
    let x0 = UnsafeRawPointer(x + token * a.xStride)
    var f = Lanes()
    var g = 0
    var k = 0
    while g < groups {
      var s = IntegerLanes()
      let end = k + group
      while k < end {
        prefetchWeights(a, w, 64 * (32 / F.inputsPerVector))
        F.add32(&s, w, x0 + k)
        w += 64 * (32 / F.inputsPerVector)
        k += 32
      }
      let scale = Lanes(half: (base + g * 32).assumingMemoryBound(to: UInt16.self))
      f = f.addingProduct(
        s.floats(plus: F.offset(xOffsets[token * groups + g])), scale * Lanes(repeating: xScales[token * groups + g]))
      g += 1
    }
    finishBlock(f, y + token * a.yStride, a.bias, block * 16, Int(a.outputs))
  }
}

/// How weights of one block are laid out in 64-byte vectors.
private protocol QuantizedFormat {
  static var inputsPerVector: Int { get }
  /// The part of a group's zero-point correction that is added to its sums.
  static func offset(_ offset: Int32) -> Int32
  /// Adds the products of 32 inputs of four tokens.
  static func add32(
    _ s0: inout IntegerLanes, _ s1: inout IntegerLanes, _ s2: inout IntegerLanes, _ s3: inout IntegerLanes,
    _ w: UnsafeRawPointer, _ x0: UnsafeRawPointer, _ x1: UnsafeRawPointer, _ x2: UnsafeRawPointer, _ x3: UnsafeRawPointer)
  /// Adds the products of 32 inputs of one token.
  static func add32(_ s: inout IntegerLanes, _ w: UnsafeRawPointer, _ x: UnsafeRawPointer)
}

@inline(__always)
private func broadcast(_ x: UnsafeRawPointer) -> __m256i { _mm256_set1_epi32(x.assumingMemoryBound(to: Int32.self).pointee) }

@inline(__always)
private func vector(_ w: UnsafeRawPointer) -> __m256i { _mm256_loadu_si256(w.assumingMemoryBound(to: __m256i.self)) }

private enum Q8: QuantizedFormat {
  @inline(__always) static var inputsPerVector: Int { 4 }
  // The weights are made signed.
  @inline(__always) static func offset(_: Int32) -> Int32 { 0 }

  /// 4 inputs of 16 rows: signed weights and their magnitudes.
  struct Weights {
    let a, b, magnitudeA, magnitudeB: __m256i

    @inline(__always) init(_ w: UnsafeRawPointer) {
      let sign = _mm256_set1_epi8(-128)
      a = _mm256_xor_si256(vector(w), sign)
      b = _mm256_xor_si256(vector(w + 32), sign)
      magnitudeA = _mm256_abs_epi8(a)
      magnitudeB = _mm256_abs_epi8(b)
    }

    @inline(__always) func add(_ s: inout IntegerLanes, _ x: UnsafeRawPointer) {
      let v = broadcast(x)
      let ones = _mm256_set1_epi16(1)
      s.a = _mm256_add_epi32(s.a, _mm256_madd_epi16(_mm256_maddubs_epi16(magnitudeA, _mm256_sign_epi8(v, a)), ones))
      s.b = _mm256_add_epi32(s.b, _mm256_madd_epi16(_mm256_maddubs_epi16(magnitudeB, _mm256_sign_epi8(v, b)), ones))
    }
  }

  @inline(__always)
  static func add32(
    _ s0: inout IntegerLanes, _ s1: inout IntegerLanes, _ s2: inout IntegerLanes, _ s3: inout IntegerLanes,
    _ w: UnsafeRawPointer, _ x0: UnsafeRawPointer, _ x1: UnsafeRawPointer, _ x2: UnsafeRawPointer, _ x3: UnsafeRawPointer
  ) {
    var k = 0
    while k < 32 {
      let weights = Weights(w + 16 * k)
      weights.add(&s0, x0 + k)
      weights.add(&s1, x1 + k)
      weights.add(&s2, x2 + k)
      weights.add(&s3, x3 + k)
      k += 4
    }
  }

  @inline(__always)
  static func add32(_ s: inout IntegerLanes, _ w: UnsafeRawPointer, _ x: UnsafeRawPointer) {
    var k = 0
    while k < 32 {
      Weights(w + 16 * k).add(&s, x + k)
      k += 4
    }
  }
}

private enum Q4: QuantizedFormat {
  @inline(__always) static var inputsPerVector: Int { 8 }
  @inline(__always) static func offset(_ offset: Int32) -> Int32 { offset }

  /// 8 inputs of 16 rows: inputs 0 … 3 in the low nibbles, 4 … 7 in the high ones.
  struct Weights {
    let lowA, highA, lowB, highB: __m256i

    @inline(__always) init(_ w: UnsafeRawPointer) {
      let mask = _mm256_set1_epi8(15)
      lowA = _mm256_and_si256(vector(w), mask)
      highA = _mm256_and_si256(_mm256_srli_epi16(vector(w), 4), mask)
      lowB = _mm256_and_si256(vector(w + 32), mask)
      highB = _mm256_and_si256(_mm256_srli_epi16(vector(w + 32), 4), mask)
    }

    /// Adds pair sums in int16.
    @inline(__always) func add(_ s: inout IntegerLanes, _ x: UnsafeRawPointer) {
      let v = broadcast(x), u = broadcast(x + 4)
      s.a = _mm256_add_epi16(s.a, _mm256_add_epi16(_mm256_maddubs_epi16(lowA, v), _mm256_maddubs_epi16(highA, u)))
      s.b = _mm256_add_epi16(s.b, _mm256_add_epi16(_mm256_maddubs_epi16(lowB, v), _mm256_maddubs_epi16(highB, u)))
    }
  }

  @inline(__always)
  static func add32(
    _ s0: inout IntegerLanes, _ s1: inout IntegerLanes, _ s2: inout IntegerLanes, _ s3: inout IntegerLanes,
    _ w: UnsafeRawPointer, _ x0: UnsafeRawPointer, _ x1: UnsafeRawPointer, _ x2: UnsafeRawPointer, _ x3: UnsafeRawPointer
  ) {
    var p0 = IntegerLanes(), p1 = IntegerLanes(), p2 = IntegerLanes(), p3 = IntegerLanes()
    var k = 0
    while k < 32 {
      let weights = Weights(w + 8 * k)
      weights.add(&p0, x0 + k)
      weights.add(&p1, x1 + k)
      weights.add(&p2, x2 + k)
      weights.add(&p3, x3 + k)
      k += 8
    }
    s0.addPairs(p0)
    s1.addPairs(p1)
    s2.addPairs(p2)
    s3.addPairs(p3)
  }

  @inline(__always)
  static func add32(_ s: inout IntegerLanes, _ w: UnsafeRawPointer, _ x: UnsafeRawPointer) {
    var p = IntegerLanes()
    var k = 0
    while k < 32 {
      Weights(w + 8 * k).add(&p, x + k)
      k += 8
    }
    s.addPairs(p)
  }
}

extension IntegerLanes {
  /// Adds neighbouring int16 of `pairs` to the int32 lanes.
  @inline(__always)
  fileprivate mutating func addPairs(_ pairs: IntegerLanes) {
    let ones = _mm256_set1_epi16(1)
    a = _mm256_add_epi32(a, _mm256_madd_epi16(pairs.a, ones))
    b = _mm256_add_epi32(b, _mm256_madd_epi16(pairs.b, ones))
  }

  @inline(__always)
  fileprivate func floats(plus offset: Int32) -> Lanes {
    let offsets = _mm256_set1_epi32(offset)
    return Lanes(_mm256_cvtepi32_ps(_mm256_add_epi32(a, offsets)), _mm256_cvtepi32_ps(_mm256_add_epi32(b, offsets)))
  }
}
#endif
