// SPDX-License-Identifier: Apache-2.0
#if arch(x86_64)
import Shims

/// y = x·Wᵀ + bias with float weights, in register tiles of 6 tokens × 16 or 64 output rows; exact to ScalarKernels.
extension VectorKernels {
  package static func linearF32(
    _ arguments: UnsafePointer<LinearArguments>, _ firstBlock: Int, _ endBlock: Int, _ firstToken: Int, _ endToken: Int
  ) {
    linear(arguments.pointee, firstBlock, endBlock, firstToken, endToken, isHalf: false)
  }

  package static func linearF16(
    _ arguments: UnsafePointer<LinearArguments>, _ firstBlock: Int, _ endBlock: Int, _ firstToken: Int, _ endToken: Int
  ) {
    linear(arguments.pointee, firstBlock, endBlock, firstToken, endToken, isHalf: true)
  }

  @inline(__always)
  private static func linear(
    _ a: LinearArguments, _ firstBlock: Int, _ endBlock: Int, _ firstToken: Int, _ endToken: Int, isHalf: Bool
  ) {
    var block = firstBlock
    var token = firstToken
    while token + 1 < endToken {  // tiles of 2 to 6 tokens, over all blocks
      let count = endToken - token < 6 ? endToken - token : 6
      block = firstBlock
      while block + WideColumns.width <= endBlock {
        tile(WideColumns.self, a, block, token, count, isHalf)
        block += WideColumns.width
      }
      while block < endBlock {
        tile(Columns1.self, a, block, token, count, isHalf)
        block += 1
      }
      token += count
    }
    guard token < endToken else { return }
    block = firstBlock
    while block + 4 <= endBlock {
      row(Columns4.self, a, block, token, isHalf)
      block += 4
    }
    while block < endBlock {
      row(Columns1.self, a, block, token, isHalf)
      block += 1
    }
  }

  @inline(__always)
  private static func tile<C: Columns>(
    _: C.Type, _ a: LinearArguments, _ block: Int, _ token: Int, _ count: Int, _ isHalf: Bool
  ) {
    guard let weights = a.weights, let x = a.xFloat, let y = a.y else { return }
    let rows = Rows(UnsafeMutablePointer(mutating: x) + token * a.xStride, stride: a.xStride, count: count)
    var tile = Tile<C>()
    tile.accumulate(
      rows, weights + block * a.blockStride + a.payloadOffset, stride: a.blockStride, step: isHalf ? 32 : 64,
      count: Int(a.inputs), isHalf: isHalf)
    let outputs = Rows(y + token * a.yStride, stride: a.yStride, count: count)
    finish(tile.r0, outputs.p0, a, block)
    finish(tile.r1, outputs.p1, a, block)
    finish(tile.r2, outputs.p2, a, block)
    finish(tile.r3, outputs.p3, a, block)
    finish(tile.r4, outputs.p4, a, block)
    finish(tile.r5, outputs.p5, a, block)
  }

  @inline(__always)
  private static func row<C: Columns>(_: C.Type, _ a: LinearArguments, _ block: Int, _ token: Int, _ isHalf: Bool) {
    guard let weights = a.weights, let x = a.xFloat, let y = a.y else { return }
    var row = C()
    accumulate(
      &row, x + token * a.xStride, weights + block * a.blockStride + a.payloadOffset, stride: a.blockStride,
      step: isHalf ? 32 : 64, count: Int(a.inputs), isHalf: isHalf)
    finish(row, y + token * a.yStride, a, block)
  }

  @inline(__always)
  private static func finish<C: Columns>(_ row: C, _ y: UnsafeMutablePointer<Float>, _ a: LinearArguments, _ block: Int) {
    row.forEach { finishBlock($1, y, a.bias, (block + $0) * 16, Int(a.outputs)) }
  }

  /// y[output …] = f + bias, of the block's rows that exist.
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
