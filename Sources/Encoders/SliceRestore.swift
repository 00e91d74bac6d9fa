// SPDX-License-Identifier: Apache-2.0
import Runtime
import WeightFile

/// What the file says of HiRes-LLaVA's SliceRestore adapters; the paper leaves these points open, so they are metadata.
package struct SliceRestoreConfig {
  /// What the adapter reads: the block's normed input, its raw input, or its attention's output.
  package enum Input { case normed, residual, attended }
  /// Size of the map that global attention sees.
  package enum Down { case grid(rows: Int, columns: Int), ratio(Int) }

  package let layers: [Int]
  package let heads: Int
  package let input: Input
  package let down: Down

  /// `nil` where the file has no adapters.
  package static func read(_ m: Metadata, hiddenSize: Int) throws(WeightFileError) -> SliceRestoreConfig? {
    guard let layers = m.ints("hires.restoreLayers"), !layers.isEmpty else { return nil }
    let heads = try m.requireDivisor("hires.restoreHeads", of: hiddenSize, in: 1...1024)
    guard hiddenSize / heads <= 256 else {
      throw m.mismatch("hires.restoreHeads", found: "\(heads)", expected: "head size of at most 256")
    }
    let place = m.string("hires.restoreWhere") ?? "parallel_attn"
    let source = m.string("hires.restoreInput") ?? "ln1"
    let input: Input
    switch (place.utf8.elementsEqual("sequential".utf8), source.utf8.elementsEqual("x".utf8)) {
    case (true, _): input = .attended
    case (false, true): input = .residual
    case (false, false): input = .normed
    }
    let down: Down
    if let ratio = m.int("hires.restoreDownRatio") {
      guard (1...64).contains(ratio) else {
        throw m.mismatch("hires.restoreDownRatio", found: "\(ratio)", expected: "1…64")
      }
      down = .ratio(Int(ratio))
    } else {
      let size = try m.requireInts("hires.restoreDown")
      guard size.count == 2, (1...1024).contains(size[0]), (1...1024).contains(size[1]) else {
        throw m.mismatch("hires.restoreDown", found: "\(size.count) numbers", expected: "[rows, columns], each 1…1024")
      }
      down = .grid(rows: Int(size[0]), columns: Int(size[1]))
    }
    return SliceRestoreConfig(layers: layers.map { Int($0) }, heads: heads, input: input, down: down)
  }
}

/// SliceRestore adapter (arXiv:2407.08706 §3.2): merges the slices of an image into one map, lets neighbours across slice
/// borders meet through a depth-wise convolution and the whole image through attention on a pooled map, and hands the sum
/// of both back to the slices. Class tokens take no part.
struct SliceRestore {
  let local: DepthwiseConvolution3x3
  let qkv, output: Linear  // hiddenSize → 3·hiddenSize (q | k | v); hiddenSize → hiddenSize
  let heads, headSize: Int
  let input: SliceRestoreConfig.Input
  let down: SliceRestoreConfig.Down

  init(_ w: Weights, _ c: SliceRestoreConfig, hiddenSize: Int) throws(WeightFileError) {
    local = try DepthwiseConvolution3x3(w["local"], channels: hiddenSize)
    qkv = try Linear(w["attn.qkv"], from: hiddenSize, to: 3 * hiddenSize)
    output = try Linear(w["attn.out"], from: hiddenSize, to: hiddenSize)
    heads = c.heads
    headSize = hiddenSize / c.heads
    input = c.input
    down = c.down
  }

  /// - Parameters:
  ///   - u: `[views · (1 + patches), hiddenSize]`, what the adapter reads.
  ///   - x: same shape; the slices' patch rows get the adapter's output added.
  func callAsFunction(_ u: Tensor, addingTo x: Tensor, _ grid: SliceGrid, _ ctx: Context) throws(RuntimeError) {
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    let (height, width) = (grid.height, grid.width)
    let merged = try ctx.arena.tensor(height * width, u.columns)
    grid.forEachPatch(ctx) { m, s in merged[m].update(from: u[s], count: u.columns) }

    let near = try local(merged, height: height, width: width, ctx)
    let pooledHeight: Int, pooledWidth: Int
    switch down {
    case .grid(let rows, let columns): (pooledHeight, pooledWidth) = (rows, columns)
    case .ratio(let r): (pooledHeight, pooledWidth) = ((height + r - 1) / r, (width + r - 1) / r)
    }
    let pooled = try adaptiveAveragePool(merged, height: height, width: width, toHeight: pooledHeight, toWidth: pooledWidth, ctx)
    let seen = try output(attention(qkv: qkv(pooled, ctx), batch: 1, heads: heads, headSize: headSize, ctx), ctx)
    let far = try Interpolation.bilinear(seen, height: pooledHeight, width: pooledWidth, toHeight: height, toWidth: width, ctx)

    grid.forEachPatch(ctx) { m, s in
      let target = x[s]
      let (a, b) = (near[m], far[m])
      for k in 0..<u.columns { target[k] += a[k] + b[k] }
    }
  }
}
