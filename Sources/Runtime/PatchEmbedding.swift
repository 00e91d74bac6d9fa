// SPDX-License-Identifier: Apache-2.0
import Kernels
import WeightFile

/// The first layer of a vision transformer: a convolution whose stride is its kernel size (arXiv:2010.11929 §3.1), as a matrix product.
package struct PatchEmbedding {
  private let linear: Linear
  package let channels, patchSize: Int

  package var size: Int { linear.outputSize }
  package var byteCount: Int { linear.byteCount }

  /// - Parameter w: leaf `weight` (packed, `[size, channels·patchSize²]`, inputs ordered channel, y, x) and optionally `bias`.
  package init(_ w: Weights, channels: Int = 3, patchSize: Int, size: Int) throws(WeightFileError) {
    // A size too large to multiply has no tensor that matches; the error names it.
    let (area, overflow) = patchSize.multipliedReportingOverflow(by: patchSize)
    let (inputs, overflow2) = area.multipliedReportingOverflow(by: channels)
    linear = try Linear(w, from: overflow || overflow2 ? .max : inputs, to: size)
    self.channels = channels
    self.patchSize = patchSize
  }

  /// - Parameter pixels: `[batch, channels, height, width]`, normalised. Pixels that fill no whole patch are left out.
  /// - Returns: `[batch·patches, size]`, patches row by row.
  package func callAsFunction(_ pixels: UnsafePointer<Float>, batch: Int, height: Int, width: Int, _ ctx: Context) throws(RuntimeError) -> Tensor {
    let (p, rows, columns) = (patchSize, height / patchSize, width / patchSize)
    guard batch > 0, rows > 0, columns > 0 else { throw .shape(operation: "patch embedding", expected: p, found: min(height, width)) }
    let y = try ctx.arena.tensor(batch &* rows &* columns, size)
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    let patches = try ctx.arena.tensor(y.rows, linear.inputSize)
    ctx.split(rows: y.rows, cost: linear.inputSize) { range in
      for patch in range {
        let (image, row, column) = (patch / (rows &* columns), patch / columns % rows, patch % columns)
        var to = patches[patch]
        for channel in 0..<channels {
          let line = (image &* channels &+ channel) &* height &+ row &* p
          var from = pixels + (line &* width &+ column &* p)
          for _ in 0..<p {
            to.update(from: from, count: p)
            to += p
            from += width
          }
        }
      }
    }
    try linear(patches, into: y, ctx)
    return y
  }
}
