// SPDX-License-Identifier: Apache-2.0
import Runtime
import Schema
import WeightFile

/// Convolutions in place of a tower's patch embedding (arXiv:2106.14881 §4): each stage halves the map by a 3×3 convolution of stride 2 and refines it by
/// residual pairs of convolutions (arXiv:1512.03385 §3); a product leads to the tower's width. ReLU after each stage's convolutions and each pair; norms are
/// part of the weights. What a patch's embedding says comes from a neighbourhood, so that a letter on two patches is seen whole.
struct ConvolutionStem {
  private struct Stage {
    let halve: Convolution3x3
    let pairs: [(first: Convolution3x3, second: Convolution3x3)]
  }

  private let stages: [Stage]
  private let output: Linear  // channels of the last stage → hiddenSize

  /// - Parameters:
  ///   - w: scope of the tower, with `stem.0`, `stem.1`, … and `patch`.
  ///   - size: the tower's width.
  init(_ w: Weights, _ s: ConvolutionStemSettings, size: Int) throws(WeightFileError) {
    var stages: [Stage] = []
    var channels = 3
    for (i, width) in s.widths.enumerated() {
      let stage = w["stem"][i]
      var pairs: [(first: Convolution3x3, second: Convolution3x3)] = []
      for j in 0..<s.depths[i] {
        let pair = stage["pairs"][j]
        let first = try Convolution3x3(pair["first"], from: width, to: width)
        pairs.append((first: first, second: try Convolution3x3(pair["second"], from: width, to: width)))
      }
      stages.append(Stage(halve: try Convolution3x3(stage["halve"], from: channels, to: width, stride: 2), pairs: pairs))
      channels = width
    }
    self.stages = stages
    output = try Linear(w["patch"], from: channels, to: size)
  }

  /// - Parameters:
  ///   - pixels: `[batch, 3, height, width]`, normalised; each picture is a map of its own, with zeros around it.
  ///   - height, width: multiples of the stem's whole stride, 2 to the number of stages.
  /// - Returns: `[batch·patches, hiddenSize]`, patches row by row.
  func callAsFunction(_ pixels: UnsafePointer<Float>, batch: Int, height: Int, width: Int, _ ctx: Context) throws(RuntimeError) -> Tensor {
    let stride = 1 << stages.count
    guard height % stride == 0, width % stride == 0 else { throw .shape(operation: "convolution stem", expected: stride, found: height) }
    let patches = height / stride * (width / stride)
    let y = try ctx.arena.tensor(batch * patches, output.outputSize)
    for picture in 0..<batch {
      let mark = ctx.arena.mark()
      defer { ctx.arena.release(to: mark) }
      var x = try Self.map(pixels + 3 * picture * height * width, height: height, width: width, ctx)
      var (height, width) = (height, width)
      for stage in stages {
        x = try stage.halve(x, height: height, width: width, ctx)
        (height, width) = (height / 2, width / 2)
        Activation.relu(x, ctx)
        for pair in stage.pairs {
          let mark = ctx.arena.mark()
          defer { ctx.arena.release(to: mark) }
          let h = try pair.first(x, height: height, width: width, ctx)
          Activation.relu(h, ctx)
          add(try pair.second(h, height: height, width: width, ctx), to: x, ctx)
          Activation.relu(x, ctx)
        }
      }
      try output(x, into: y.slice(rows: picture * patches..<(picture + 1) * patches), ctx)
    }
    return y
  }

  /// `[3, height, width]` as `[height·width, 3]`.
  private static func map(_ planes: UnsafePointer<Float>, height: Int, width: Int, _ ctx: Context) throws(RuntimeError) -> Tensor {
    let (area, x) = (height &* width, try ctx.arena.tensor(height &* width, 3))
    ctx.split(rows: area, cost: 3) { rows in
      for row in rows {
        for channel in 0..<3 { x[row][channel] = planes[channel &* area &+ row] }
      }
    }
    return x
  }
}
