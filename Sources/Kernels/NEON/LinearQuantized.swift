// SPDX-License-Identifier: Apache-2.0
#if arch(arm64)
import Shims

/// y = x·Wᵀ + bias with int8 or int4 weights on `sdot`: 16 products an instruction, exact to ScalarKernels.
///
/// One register holds 4 inputs of 4 output rows; 16 activations stay in a register, of which an instruction takes one quad for all rows.
/// - int8: weights back to signed (byte xor 0x80), so no offset is left to add.
/// - int4: the nibble (0 … 15) is a positive int8; the group's offset corrects for its bias of 8.
/// Register tiles of 1 block × 4 tokens (16 sums, 4 weights, 4 activations of 32 registers); missing tokens repeat the last one.
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
      var s0 = IntegerLanes(), s1 = IntegerLanes(), s2 = IntegerLanes(), s3 = IntegerLanes()
      let end = k + group
      while k < end {
        let v0 = fovea_load_int8x16(x0 + k), v1 = fovea_load_int8x16(x1 + k)
        let v2 = fovea_load_int8x16(x2 + k), v3 = fovea_load_int8x16(x3 + k)
        var quad = 0
        while quad < 4 {  // unrolled
          let rows = F.weights(w, quad)
          s0.add(rows, v0, quad)
          s1.add(rows, v1, quad)
          s2.add(rows, v2, quad)
          s3.add(rows, v3, quad)
          quad += 1
        }
        w += F.bytesOf16
        k += 16
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
      // Two sums a row hide the latency of `sdot`.
      var even = IntegerLanes(), odd = IntegerLanes()
      let end = k + group
      while k < end {
        prefetchWeights(a, w, F.bytesOf16)
        let v = fovea_load_int8x16(x0 + k)
        even.add(F.weights(w, 0), v, 0)
        odd.add(F.weights(w, 1), v, 1)
        even.add(F.weights(w, 2), v, 2)
        odd.add(F.weights(w, 3), v, 3)
        w += F.bytesOf16
        k += 16
      }
      let scale = Lanes(half: (base + g * 32).assumingMemoryBound(to: UInt16.self))
      f = f.addingProduct(
        (even + odd).floats(plus: F.offset(xOffsets[token * groups + g])), scale * Lanes(repeating: xScales[token * groups + g]))
      g += 1
    }
    finishBlock(f, y + token * a.yStride, a.bias, block * 16, Int(a.outputs))
  }
}

/// Weights of one quad of inputs: rows 0–3, 4–7, 8–11, 12–15 of the block.
private struct QuadWeights {
  let a, b, c, d: int8x16_t
}

/// How weights of one block are laid out.
private protocol QuantizedFormat {
  /// Bytes of 16 inputs.
  static var bytesOf16: Int { get }
  /// The part of a group's zero-point correction that is added to its sums.
  static func offset(_ offset: Int32) -> Int32
  /// Quad 0 … 3 of the 16 inputs at `w`.
  static func weights(_ w: UnsafeRawPointer, _ quad: Int) -> QuadWeights
}

private enum Q8: QuantizedFormat {
  @inline(__always) static var bytesOf16: Int { 256 }
  // The weights are made signed.
  @inline(__always) static func offset(_: Int32) -> Int32 { 0 }

  @inline(__always) static func weights(_ w: UnsafeRawPointer, _ quad: Int) -> QuadWeights {
    let p = w + 64 * quad
    return QuadWeights(
      a: fovea_load_weights_16(p), b: fovea_load_weights_16(p + 16), c: fovea_load_weights_16(p + 32),
      d: fovea_load_weights_16(p + 48))
  }
}

private enum Q4: QuantizedFormat {
  @inline(__always) static var bytesOf16: Int { 128 }
  @inline(__always) static func offset(_ offset: Int32) -> Int32 { offset }

  /// Even quads are in the low nibbles, odd ones in the high nibbles of the same bytes.
  @inline(__always) static func weights(_ w: UnsafeRawPointer, _ quad: Int) -> QuadWeights {
    let p = w + 64 * (quad / 2)
    @inline(__always) func nibbles(_ p: UnsafeRawPointer) -> int8x16_t {
      quad & 1 == 0 ? fovea_low_nibbles_16(fovea_load_int8x16(p)) : fovea_high_nibbles_16(fovea_load_int8x16(p))
    }
    return QuadWeights(a: nibbles(p), b: nibbles(p + 16), c: nibbles(p + 32), d: nibbles(p + 48))
  }
}

extension IntegerLanes {
  /// Adds the products of a quad of each row's weights with quad `quad` of `x`.
  @inline(__always)
  fileprivate mutating func add(_ w: QuadWeights, _ x: int8x16_t, _ quad: Int) {
    switch quad {
    case 0:
      self = IntegerLanes(
        fovea_add_quad0_4(a, w.a, x), fovea_add_quad0_4(b, w.b, x), fovea_add_quad0_4(c, w.c, x), fovea_add_quad0_4(d, w.d, x))
    case 1:
      self = IntegerLanes(
        fovea_add_quad1_4(a, w.a, x), fovea_add_quad1_4(b, w.b, x), fovea_add_quad1_4(c, w.c, x), fovea_add_quad1_4(d, w.d, x))
    case 2:
      self = IntegerLanes(
        fovea_add_quad2_4(a, w.a, x), fovea_add_quad2_4(b, w.b, x), fovea_add_quad2_4(c, w.c, x), fovea_add_quad2_4(d, w.d, x))
    default:
      self = IntegerLanes(
        fovea_add_quad3_4(a, w.a, x), fovea_add_quad3_4(b, w.b, x), fovea_add_quad3_4(c, w.c, x), fovea_add_quad3_4(d, w.d, x))
    }
  }

  @inline(__always)
  fileprivate func floats(plus offset: Int32) -> Lanes { (self + IntegerLanes(repeating: offset)).floats }
}
#endif
