// SPDX-License-Identifier: Apache-2.0

/// A toy constraint: answers of `count` even ids.
package final class EvenTokens: LogitsProcessor {
  private let count: Int
  private var accepted = 0

  package init(count: Int) { self.count = count }

  package func process(_ logits: UnsafeMutableBufferPointer<Float>) {
    for i in stride(from: 1, to: logits.count, by: 2) { logits[i] = -.infinity }
  }

  package func accept(_ id: Int32) { accepted += 1 }
  package var isComplete: Bool { accepted >= count }
}
