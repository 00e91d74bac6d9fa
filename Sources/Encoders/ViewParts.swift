// SPDX-License-Identifier: Apache-2.0

/// Views that go through a layer together, and their rows.
package struct ViewPart {
  package let views, rows: Range<Int>
}

/// Cuts the views of an image into parts of about 2048 rows, at least a view each: what a layer keeps of its inputs between its products is several
/// times as wide as the residual stream. Its weights are read once for each part, which costs nothing beside the arithmetic of so many rows.
/// - Parameter tokens: rows of a view.
package func viewParts(_ views: Int, tokens: Int) -> [ViewPart] {
  let atOnce = max(2048 / max(tokens, 1), 1)
  return stride(from: 0, to: views, by: atOnce).map { first in
    let end = min(first + atOnce, views)
    return ViewPart(views: first..<end, rows: first * tokens..<end * tokens)
  }
}
