// SPDX-License-Identifier: Apache-2.0
import Runtime
import Shims

/// Qwen v1's logn attention: the query at position p (from 0) is multiplied by ln(p + 1) / ln(trained), from p + 1 > trained on,
/// so that attention stays as sharp over longer texts.
struct LogNScaling {
  let trained: Int

  /// - Parameter query: token i at `query + i·stride`, `size` values each, at position `firstPosition + i`; scaled in place.
  func callAsFunction(
    _ query: UnsafeMutablePointer<Float>, stride: Int, size: Int, tokens: Int, firstPosition: Int, _ ctx: Context
  ) {
    guard firstPosition + tokens > trained else { return }
    let unit = log(Double(trained))
    ctx.split(rows: tokens, cost: size) { rows in
      for row in rows where firstPosition + row + 1 > trained {
        let factor = Float(log(Double(firstPosition + row + 1)) / unit)
        let q = query + row &* stride
        for k in 0..<size { q[k] *= factor }
      }
    }
  }
}
