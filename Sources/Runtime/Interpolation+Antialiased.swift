// SPDX-License-Identifier: Apache-2.0

extension Interpolation {
  /// A square map resized as `torch.nn.functional.interpolate` does it with `mode="bicubic", antialias=True`: Keys' cubic with a = −0.5,
  /// stretched to a target pixel's width where the map becomes smaller; along rows first.
  /// - Parameter x: `[side², channels]`.
  /// - Returns: `[target², channels]`.
  package static func antialiasedBicubic(_ x: TensorView, side: Int, to target: Int, _ ctx: Context) throws(RuntimeError) -> Tensor {
    try checkMap(x, height: side, width: side)
    guard target > 0, target <= 1 << 16 else { throw .shape(operation: "interpolation target", expected: 1, found: target) }
    let y = try ctx.arena.tensor(target * target, x.columns)
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    let spans = try Spans(from: side, to: target, ctx)
    let across = try ctx.arena.tensor(side * target, x.columns)
    ctx.split(rows: across.rows, cost: x.columns &* spans.most) { rows in
      for row in rows { spans.mix(row % target, into: across[row], count: x.columns) { x[row / target &* side &+ $0] } }
    }
    ctx.split(rows: y.rows, cost: x.columns &* spans.most) { rows in
      for row in rows {
        spans.mix(row / target, into: y[row], count: x.columns) { UnsafePointer(across[$0 &* target &+ row % target]) }
      }
    }
    return y
  }

  /// The source pixels of each target pixel along one axis, and their weights.
  private struct Spans {
    let most: Int
    private let first, count: UnsafeMutablePointer<Int>
    private let weights: UnsafeMutablePointer<Float>

    init(from source: Int, to target: Int, _ ctx: Context) throws(RuntimeError) {
      let scale = Float(source) / Float(target)
      let width = max(scale, 1)
      let support = 2 * width
      most = 2 * Int(support.rounded(.up)) + 2
      first = try ctx.arena.array(of: Int.self, target)
      count = try ctx.arena.array(of: Int.self, target)
      weights = try ctx.arena.array(of: Float.self, target, most)
      for i in 0..<target {
        let centre = scale * (Float(i) + 0.5)
        let start = max(Int(centre - support + 0.5), 0)
        let end = min(Int(centre + support + 0.5), source)
        (first[i], count[i]) = (start, max(min(end - start, most), 0))
        let to = weights + i * most
        var sum: Float = 0
        for k in 0..<count[i] {
          to[k] = Self.cubic((Float(start + k) - centre + 0.5) / width)
          sum += to[k]
        }
        if sum != 0 { for k in 0..<count[i] { to[k] /= sum } }
      }
    }

    func mix(_ i: Int, into y: UnsafeMutablePointer<Float>, count channels: Int, pixel: (Int) -> UnsafePointer<Float>) {
      y.update(repeating: 0, count: channels)
      for k in 0..<count[i] {
        let (x, weight) = (pixel(first[i] &+ k), weights[i &* most &+ k])
        for c in 0..<channels { y[c] += x[c] * weight }
      }
    }

    private static func cubic(_ x: Float) -> Float {
      let (d, a) = (abs(x), Float(-0.5))
      if d < 1 { return ((a + 2) * d - (a + 3)) * d * d + 1 }
      if d < 2 { return (((d - 5) * d + 8) * d - 4) * a }
      return 0
    }
  }
}
