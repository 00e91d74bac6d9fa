// SPDX-License-Identifier: Apache-2.0
#if arch(arm64)
import Shims

/// y = x·Wᵀ + bias with int8 or int4 weights on `usmmla`: 32 products an instruction, exact to ScalarKernels.
///
/// Weights stay the unsigned bytes they are stored as; the group's offset corrects for their zero point. Two quads of a row beside each other are what
/// the instruction takes, so quads of four rows are interleaved, once for all tokens of a tile.
/// Register tiles of 1 block × 4 tokens (16 sums, 8 weights, 2 registers of activations); missing tokens repeat the last one. One token: `usdot`.
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
    let group = Int(a.group)
    let groups = Int(a.inputs) / group
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
      var s = TokenPair(), t = TokenPair()
      let end = k + group
      while k < end {
        let rows = F.weights(w)
        s.add(rows, x0 + k, x1 + k)
        t.add(rows, x2 + k, x3 + k)
        w += F.bytesOf8
        k += 8
      }
      let scale = Lanes(half: (base + g * 32).assumingMemoryBound(to: UInt16.self))
      f0 = f0.addingProduct(s.first.floats(plus: xOffsets[t0 * groups + g]), scale * Lanes(repeating: xScales[t0 * groups + g]))
      f1 = f1.addingProduct(s.second.floats(plus: xOffsets[t1 * groups + g]), scale * Lanes(repeating: xScales[t1 * groups + g]))
      f2 = f2.addingProduct(t.first.floats(plus: xOffsets[t2 * groups + g]), scale * Lanes(repeating: xScales[t2 * groups + g]))
      f3 = f3.addingProduct(t.second.floats(plus: xOffsets[t3 * groups + g]), scale * Lanes(repeating: xScales[t3 * groups + g]))
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
    let group = Int(a.group)
    let groups = Int(a.inputs) / group
    let base = UnsafeRawPointer(weights + block * a.blockStride)
    touchScales(base, a.payloadOffset)
    var w = base + a.payloadOffset
    let x0 = UnsafeRawPointer(x + token * a.xStride)
    var f = Lanes()
    var g = 0
    var k = 0
    while g < groups {
      // Two sums a row hide the latency of `usdot`.
      var even = IntegerLanes(), odd = IntegerLanes()
      let end = k + group
      while k < end {
        prefetchWeights(a, w, 2 * F.bytesOf8)
        let v = fovea_load_int8x16(x0 + k)
        let (p, q) = (F.weights(w), F.weights(w + F.bytesOf8))
        even.add(p.first, v, fovea_add_unsigned0_4)
        odd.add(p.second, v, fovea_add_unsigned1_4)
        even.add(q.first, v, fovea_add_unsigned2_4)
        odd.add(q.second, v, fovea_add_unsigned3_4)
        w += 2 * F.bytesOf8
        k += 16
      }
      let scale = Lanes(half: (base + g * 32).assumingMemoryBound(to: UInt16.self))
      f = f.addingProduct((even + odd).floats(plus: xOffsets[token * groups + g]), scale * Lanes(repeating: xScales[token * groups + g]))
      g += 1
    }
    finishBlock(f, y + token * a.yStride, a.bias, block * 16, Int(a.outputs))
  }
}

/// How weights of one block are laid out.
private protocol QuantizedFormat {
  /// Bytes of 8 inputs.
  static var bytesOf8: Int { get }
  /// The 8 inputs at `w`, as unsigned bytes.
  static func weights(_ w: UnsafeRawPointer) -> QuadPair
}

private enum Q8: QuantizedFormat {
  @inline(__always) static var bytesOf8: Int { 128 }
  @inline(__always) static func weights(_ w: UnsafeRawPointer) -> QuadPair { QuadPair(bytes: w) }
}

private enum Q4: QuantizedFormat {
  @inline(__always) static var bytesOf8: Int { 64 }
  /// The first four inputs are in the low nibbles, the other four in the high nibbles of the same bytes.
  @inline(__always) static func weights(_ w: UnsafeRawPointer) -> QuadPair {
    let bytes = IntegerLanes(w)
    return QuadPair(first: bytes.masked(15), second: bytes.shiftedRight(4))
  }
}

extension IntegerLanes {
  /// Adds the products of four unsigned bytes of each row with the quad of `x` that `product` takes.
  @inline(__always)
  fileprivate mutating func add(_ w: IntegerLanes, _ x: int8x16_t, _ product: (int32x4_t, int32x4_t, int8x16_t) -> int32x4_t) {
    self = IntegerLanes(product(a, w.a, x), product(b, w.b, x), product(c, w.c, x), product(d, w.d, x))
  }

  @inline(__always)
  fileprivate func floats(plus offset: Int32) -> Lanes { (self + IntegerLanes(repeating: offset)).floats }
}
#endif
