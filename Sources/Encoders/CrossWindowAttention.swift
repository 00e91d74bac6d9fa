// SPDX-License-Identifier: Apache-2.0
import Runtime
import Shims
import WeightFile

/// What the file says of TextMonkey's cross-window modules.
package struct CrossWindowConfig {
  /// Blocks of the tower before which a module stands.
  package let layers: [Int]
  /// Side of a window in patches, and how far it is shifted.
  package let side, shift: Int
  package let normEpsilon: Float

  /// `nil` where the file has none.
  package static func read(_ m: Metadata, _ c: QwenVisionConfig) throws(WeightFileError) -> CrossWindowConfig? {
    guard let layers = m.ints("monkey.windowLayers"), !layers.isEmpty else { return nil }
    guard layers.allSatisfy({ (0..<c.layers).contains($0) }) else {
      throw m.mismatch("monkey.windowLayers", found: "a layer outside the tower", expected: "0…\(c.layers - 1)")
    }
    guard c.rows == c.columns else {
      throw m.mismatch("monkey.rows", found: "\(c.rows) by \(c.columns) tiles", expected: "a square: windows are shifted over one")
    }
    let side = try m.requireInt("monkey.windowSide", in: 1...32)
    let shift = try m.requireInt("monkey.windowShift", in: 0...max(side - 1, 0))
    return CrossWindowConfig(layers: layers.map { Int($0) }, side: side, shift: shift, normEpsilon: 1e-5)
  }
}

/// TextMonkey's shifted window attention (arXiv:2403.04473 §3.1, after Swin, arXiv:2103.14030): tiles that the tower sees apart meet in
/// windows that cross their borders, at a smaller width; the result is added to the stream, scaled.
struct CrossWindowAttention {
  let position: UnsafePointer<Float>  // [grid², hiddenSize] of the merged map
  let down: Linear  // hiddenSize → size
  let norm1, norm2: LayerNorm
  let qkv, output: Linear  // size → 3·size (q | k | v); size → size
  let bias: UnsafePointer<Float>  // [(2·side − 1)², heads], by the difference of two places in a window
  let expand, contract: Linear  // size → 2·size → hiddenSize
  let scale: Float
  let heads, headSize, grid: Int
  let window: CrossWindowConfig

  /// - Parameter grid: side of the merged map in patches.
  init(_ w: Weights, _ c: CrossWindowConfig, hiddenSize: Int, grid: Int) throws(WeightFileError) {
    window = c
    self.grid = grid
    // Without shapes the errors of Linear and table name the missing tensors.
    let size = w["down"].shape("weight")?.first ?? 1
    position = try w.table("position", shape: [grid * grid, hiddenSize])
    down = try Linear(w["down"], from: hiddenSize, to: size)
    norm1 = try LayerNorm(w["norm1"], size: size, epsilon: c.normEpsilon)
    norm2 = try LayerNorm(w["norm2"], size: size, epsilon: c.normEpsilon)
    qkv = try Linear(w["attn.qkv"], from: size, to: 3 * size)
    output = try Linear(w["attn.out"], from: size, to: size)
    let differences = (2 * c.side - 1) * (2 * c.side - 1)
    let shape = w["attn"].shape("bias") ?? []
    heads = shape.count == 2 && shape[1] > 0 && size % shape[1] == 0 ? shape[1] : 1
    headSize = size / heads
    bias = try w["attn"].table("bias", shape: [differences, heads])
    expand = try Linear(w["mlp.expand"], from: size, to: 2 * size)
    contract = try Linear(w["mlp.contract"], from: 2 * size, to: hiddenSize)
    scale = try w["mlp"].vector("scale", count: 1)[0]
  }

  /// - Parameter x: `[grid², hiddenSize]`, the merged map row by row; replaced by the module's output.
  func callAsFunction(_ x: Tensor, _ ctx: Context) throws(RuntimeError) {
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    let placed = try ctx.copy(x)
    add(Tensor(data: UnsafeMutablePointer(mutating: position), rows: x.rows, columns: x.columns), to: placed, ctx)
    let d = try down(placed, ctx)
    let normed = try norm1(d, ctx)
    let (side, across) = (window.side, (grid + window.side - 1) / window.side)
    // Windows one after another; places past the map are zeros, which take part like patches.
    let gathered = try ctx.arena.tensor(across * across * side * side, d.columns)
    ctx.pool.run(across * across) { w in
      for place in 0..<side * side {
        let target = gathered[w * side * side + place]
        if let row = mapRow(window: w, place: place, across: across) {
          target.update(from: normed[row], count: d.columns)
        } else {
          target.update(repeating: 0, count: d.columns)
        }
      }
    }
    let seen = try output(attend(qkv(gathered, ctx), across: across, ctx), ctx)
    ctx.pool.run(across * across) { w in
      for place in 0..<side * side {
        guard let row = mapRow(window: w, place: place, across: across) else { continue }
        let (source, target) = (seen[w * side * side + place], d[row])
        for k in 0..<d.columns { target[k] += source[k] }
      }
    }
    let h = try expand(norm2(d, ctx), ctx)
    Activation.gelu(h, ctx)
    let o = try contract(h, ctx)
    for i in 0..<o.count { o.data[i] *= scale }
    add(o, to: x, ctx)
  }

  /// Row of the merged map at a place of a window; the map is rolled by `shift` first and padded behind. nil: padding.
  private func mapRow(window w: Int, place: Int, across: Int) -> Int? {
    let y = w / across * window.side + place / window.side
    let x = w % across * window.side + place % window.side
    guard y < grid, x < grid else { return nil }
    return (y + window.shift) % grid * grid + (x + window.shift) % grid
  }

  /// Number of the region of the rolled, padded map: only places of the same region see each other.
  private func region(window w: Int, place: Int, across: Int) -> Int {
    func band(_ i: Int) -> Int {
      let edge = across * window.side
      return window.shift == 0 || i < edge - window.side ? 0 : i < edge - window.shift ? 1 : 2
    }
    return 3 * band(w / across * window.side + place / window.side) + band(w % across * window.side + place % window.side)
  }

  /// Softmax(q·kᵀ / √headSize + bias + mask)·v within each window.
  /// - Parameter qkv: `[windows · side², 3·size]`.
  private func attend(_ qkv: Tensor, across: Int, _ ctx: Context) throws(RuntimeError) -> Tensor {
    let (side, places, size) = (window.side, window.side * window.side, heads * headSize)
    let y = try ctx.arena.tensor(qkv.rows, size)
    // A row of scores and the keys turned around, for each item of work.
    let items = across * across * heads
    let scratch = try ctx.arena.tensor(items, places * (1 + headSize))
    let unit = 1 / Float(headSize).squareRoot()
    ctx.pool.run(items) { item in
      let (w, head) = item.quotientAndRemainder(dividingBy: heads)
      let scores = scratch[item]
      let keys = scores + places  // [headSize][places]
      for j in 0..<places {
        let key = qkv[w * places + j] + size + head * headSize
        for k in 0..<headSize { keys[k * places + j] = key[k] }
      }
      for i in 0..<places {
        let query = qkv[w * places + i] + head * headSize
        let own = region(window: w, place: i, across: across)
        for j in 0..<places {
          let difference = (i / side - j / side + side - 1) * (2 * side - 1) + i % side - j % side + side - 1
          scores[j] = bias[difference * heads + head] + (region(window: w, place: j, across: across) == own ? 0 : -100)
        }
        for k in 0..<headSize {
          let (q, line) = (query[k] * unit, keys + k * places)
          for j in 0..<places { scores[j] += q * line[j] }
        }
        ctx.kernels.softmax(scores, places)
        let target = y[w * places + i] + head * headSize
        target.update(repeating: 0, count: headSize)
        for j in 0..<places {
          let (p, value) = (scores[j], qkv[w * places + j] + 2 * size + head * headSize)
          for k in 0..<headSize { target[k] += p * value[k] }
        }
      }
    }
    return y
  }
}
