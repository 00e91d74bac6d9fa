// SPDX-License-Identifier: Apache-2.0
import Shims

/// Resizing of feature maps `[height·width, channels]` as `torch.nn.functional.interpolate` does it with align_corners = false
/// and without antialiasing.
package enum Interpolation {
  /// Keys' cubic with a = −0.75, edge pixels repeated.
  case bicubic
  case bilinear
  /// The pixel at ⌊target · source size / target size⌋.
  case nearest

  /// - Parameter wanted: rows of the result; nil: all.
  /// - Returns: `[toHeight·toWidth, channels]`, or only the wanted rows.
  package func callAsFunction(
    _ x: TensorView, height: Int, width: Int, toHeight: Int, toWidth: Int, rows wanted: Range<Int>? = nil, _ ctx: Context
  ) throws(RuntimeError) -> Tensor {
    try checkMap(x, height: height, width: width)
    let (_, overflow) = toHeight.multipliedReportingOverflow(by: toWidth)
    guard toHeight > 0, toWidth > 0, !overflow else { throw .shape(operation: "interpolation target", expected: 1, found: min(toHeight, toWidth)) }
    let wanted = wanted ?? 0..<toHeight
    guard wanted.lowerBound >= 0, wanted.upperBound <= toHeight else {
      throw .shape(operation: "rows of an interpolation", expected: toHeight, found: wanted.upperBound)
    }
    let y = try ctx.arena.tensor(wanted.count &* toWidth, x.columns)
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    let rows = try taps(from: height, to: toHeight, ctx)
    let columns = try taps(from: width, to: toWidth, ctx)
    let count = taps
    ctx.split(rows: wanted.count, cost: toWidth &* x.columns &* count &* count) { range in
      for row in range {
        for column in 0..<toWidth {
          Interpolation.mix(
            x, width: width, rows: rows + (wanted.lowerBound &+ row) &* count, columns: columns + column &* count, taps: count,
            into: y[row &* toWidth &+ column])
        }
      }
    }
    return y
  }

  package func callAsFunction(
    _ x: Tensor, height: Int, width: Int, toHeight: Int, toWidth: Int, rows: Range<Int>? = nil, _ ctx: Context
  ) throws(RuntimeError) -> Tensor {
    try self(x.view, height: height, width: width, toHeight: toHeight, toWidth: toWidth, rows: rows, ctx)
  }

  /// A source index along one axis, and its weight.
  private struct Tap: BitwiseCopyable {
    let index: Int
    let weight: Float
  }

  /// Source pixels of a target pixel along one axis.
  private var taps: Int {
    switch self {
    case .bicubic: 4
    case .bilinear: 2
    case .nearest: 1
    }
  }

  /// The taps of every target index along one axis. Positions and weights in f32, as PyTorch has them for f32 maps.
  private func taps(from source: Int, to target: Int, _ ctx: Context) throws(RuntimeError) -> UnsafePointer<Tap> {
    let table = try ctx.arena.array(of: Tap.self, target, taps)
    let scale = Float(source) / Float(target)
    let last = source - 1
    for i in 0..<target {
      let to = table + i &* taps
      let position = Float(-0.5).addingProduct(scale, Float(i) + 0.5)  // one rounding, as PyTorch's builds contract it
      switch self {
      case .nearest:
        to[0] = Tap(index: min(Int(Float(i) * scale), last), weight: 1)
      case .bilinear:
        let clamped = max(position, 0)
        let first = min(Int(clamped), last)
        let t = min(max(clamped - Float(first), 0), 1)
        to[0] = Tap(index: first, weight: 1 - t)
        to[1] = Tap(index: min(first + 1, last), weight: t)
      case .bicubic:
        let floor = position.rounded(.down)
        let t = position - floor
        let weights = [Interpolation.far(t + 1), Interpolation.near(t), Interpolation.near(1 - t), Interpolation.far(2 - t)]
        for k in 0..<4 { to[k] = Tap(index: min(max(Int(floor) + k - 1, 0), last), weight: weights[k]) }
      }
    }
    return UnsafePointer(table)
  }

  private static let a: Float = -0.75
  /// Keys' kernel for distances up to 1, and from 1 to 2.
  private static func near(_ x: Float) -> Float { ((a + 2) * x - (a + 3)) * x * x + 1 }
  private static func far(_ x: Float) -> Float { ((a * x - 5 * a) * x + 8 * a) * x - 4 * a }

  /// One target pixel: Σ row weight · (Σ column weight · source), each sum in tap order.
  private static func mix(
    _ x: TensorView, width: Int, rows: UnsafePointer<Tap>, columns: UnsafePointer<Tap>, taps: Int, into y: UnsafeMutablePointer<Float>
  ) {
    let channels = x.columns
    if taps == 1 {
      y.update(from: x[rows[0].index &* width &+ columns[0].index], count: channels)
      return
    }
    func pixel<V: SIMD>(_ channel: Int, _: V.Type) -> V where V.Scalar == Float {
      var sum = V(repeating: 0)
      for r in 0..<taps {
        var line = V(repeating: 0)
        for c in 0..<taps {
          let source = UnsafeRawPointer(x[rows[r].index &* width &+ columns[c].index] + channel)
          line += source.loadUnaligned(as: V.self) * columns[c].weight
        }
        sum += line * rows[r].weight
      }
      return sum
    }
    var channel = 0
    while channel + 8 <= channels {
      UnsafeMutableRawPointer(y + channel).storeBytes(of: pixel(channel, SIMD8<Float>.self), as: SIMD8<Float>.self)
      channel += 8
    }
    while channel < channels {
      var sum: Float = 0
      for r in 0..<taps {
        var line: Float = 0
        for c in 0..<taps { line += x[rows[r].index &* width &+ columns[c].index][channel] * columns[c].weight }
        sum += line * rows[r].weight
      }
      y[channel] = sum
      channel += 1
    }
  }
}
