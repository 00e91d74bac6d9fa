// SPDX-License-Identifier: Apache-2.0
#if HAS_LANES
import Shims

/// y = x·Wᵀ + bias with float weights, in register tiles of 6 tokens × 16 or 64 output rows; exact to ScalarKernels.
extension VectorKernels {
  @export(interface)
  package static func linearF32(
    _ arguments: UnsafePointer<LinearArguments>, _ firstBlock: Int, _ endBlock: Int, _ firstToken: Int, _ endToken: Int
  ) {
    linear(arguments.pointee, firstBlock, endBlock, firstToken, endToken, .float32)
  }

  @export(interface)
  package static func linearF16(
    _ arguments: UnsafePointer<LinearArguments>, _ firstBlock: Int, _ endBlock: Int, _ firstToken: Int, _ endToken: Int
  ) {
    linear(arguments.pointee, firstBlock, endBlock, firstToken, endToken, .float16)
  }

  @inline(__always)
  private static func linear(
    _ a: LinearArguments, _ firstBlock: Int, _ endBlock: Int, _ firstToken: Int, _ endToken: Int, _ element: Element
  ) {
    let isAlone = (endToken - firstToken) % 6 == 1  // one token left over is cheaper as a GEMV than as a tile of 6
    let end = isAlone ? endToken - 1 : endToken
    if firstToken < end {
      var block = firstBlock
      while block < endBlock {
        if block + WideColumns.width <= endBlock {
          panel(WideColumns.self, a, block, firstToken, end, element)
          block += WideColumns.width
        } else {
          panel(Columns1.self, a, block, firstToken, end, element)
          block += 1
        }
      }
    }
    guard isAlone else { return }
    var block = firstBlock
    while block < endBlock {
      if block + 4 <= endBlock {
        row(Columns4.self, a, block, end, element)
        block += 4
      } else {
        row(Columns1.self, a, block, end, element)
        block += 1
      }
    }
  }

  /// `C.width` blocks for all tokens, in runs of inputs whose weights stay in the L2 cache; between runs y holds the partial sums.
  @inline(__always)
  private static func panel<C: Columns>(
    _: C.Type, _ a: LinearArguments, _ block: Int, _ firstToken: Int, _ endToken: Int, _ element: Element
  ) {
    let run = 8192 / element.size / C.width  // 128 KiB of weights
    let inputs = Int(a.inputs)
    var start = 0
    repeat {
      let end = inputs - start < run ? inputs : start + run
      var token = firstToken
      while token < endToken {
        tile(C.self, a, block, token, endToken - token < 6 ? endToken - token : 6, start, end, element)
        token += 6
      }
      start = end
    } while start < inputs
  }

  @inline(__always)
  private static func tile<C: Columns>(
    _: C.Type, _ a: LinearArguments, _ block: Int, _ token: Int, _ count: Int, _ start: Int, _ end: Int, _ element: Element
  ) {
    guard let weights = a.weights, let x = a.xFloat, let y = a.y else { return }
    let rows = Rows(UnsafeMutablePointer(mutating: x) + token * a.xStride + start, stride: a.xStride, count: count)
    let outputs = Rows(y + token * a.yStride, stride: a.yStride, count: count)
    let step = 16 * element.size
    var tile = Tile<C>()
    if start > 0 {
      tile.r0 = sums(outputs.p0, a, block)
      tile.r1 = sums(outputs.p1, a, block)
      tile.r2 = sums(outputs.p2, a, block)
      tile.r3 = sums(outputs.p3, a, block)
      tile.r4 = sums(outputs.p4, a, block)
      tile.r5 = sums(outputs.p5, a, block)
    }
    tile.accumulate(
      rows, weights + block * a.blockStride + a.payloadOffset + start * step, stride: a.blockStride, step: step,
      count: end - start, element)
    let bias = end == Int(a.inputs) ? a.bias : nil
    finish(tile.r0, outputs.p0, a, bias, block)
    finish(tile.r1, outputs.p1, a, bias, block)
    finish(tile.r2, outputs.p2, a, bias, block)
    finish(tile.r3, outputs.p3, a, bias, block)
    finish(tile.r4, outputs.p4, a, bias, block)
    finish(tile.r5, outputs.p5, a, bias, block)
  }

  /// One token's partial sums; zeros for padding rows.
  @inline(__always)
  private static func sums<C: Columns>(_ y: UnsafePointer<Float>, _ a: LinearArguments, _ block: Int) -> C {
    C(y + block * 16, count: Int(a.outputs) - block * 16)
  }

  @inline(__always)
  private static func row<C: Columns>(_: C.Type, _ a: LinearArguments, _ block: Int, _ token: Int, _ element: Element) {
    guard let weights = a.weights, let x = a.xFloat, let y = a.y else { return }
    var row = C()
    accumulate(
      &row, x + token * a.xStride, weights + block * a.blockStride + a.payloadOffset, stride: a.blockStride,
      step: 16 * element.size, count: Int(a.inputs), element)
    finish(row, y + token * a.yStride, a, a.bias, block)
  }

  @inline(__always)
  private static func finish<C: Columns>(
    _ row: C, _ y: UnsafeMutablePointer<Float>, _ a: LinearArguments, _ bias: UnsafePointer<Float>?, _ block: Int
  ) {
    row.forEach { finishBlock($1, y, bias, (block + $0) * 16, Int(a.outputs)) }
  }

  /// Epilogue: y[output …] = f + bias, without the block's padding rows.
  @inline(__always)
  static func finishBlock(
    _ f: Lanes, _ y: UnsafeMutablePointer<Float>, _ bias: UnsafePointer<Float>?, _ output: Int, _ outputs: Int
  ) {
    let rows = outputs - output
    if rows >= 16 {
      if let bias { (f + Lanes(bias + output)).store(y + output) } else { f.store(y + output) }
    } else {
      if let bias { (f + Lanes(bias + output, count: rows)).store(y + output, count: rows) } else { f.store(y + output, count: rows) }
    }
  }
}

#endif
