// SPDX-License-Identifier: Apache-2.0

/// Bans tokens that would complete an n-gram that occurred before, in prompt or answer.
package final class NGramBan: LogitsProcessor {
  /// Prompt and answer; −1 for positions that hold no token.
  private var ids: [Int32]
  private let length, window: Int
  private let allowed: [Int32]

  /// - Parameters:
  ///   - length: n, at least 2.
  ///   - window: only n-grams within the last so many tokens count; 0: all.
  ///   - allowed: tokens that are never banned.
  ///   - prompt: its tokens, −1 for rows of images.
  package init(_ length: Int, window: Int, allowed: [Int32] = [], prompt: [Int32]) {
    self.length = length
    self.window = window
    self.allowed = allowed
    ids = prompt
  }

  package func process(_ logits: UnsafeMutableBufferPointer<Float>) {
    guard length >= 2, ids.count >= length else { return }
    let end = ids.count
    let tail = end - (length - 1)
    let first = window > 0 ? max(0, end - window) : 0
    for start in stride(from: first, to: tail, by: 1) where ids[start] == ids[tail] {
      guard ids[start..<start + length - 1].elementsEqual(ids[tail...]) else { continue }
      let next = Int(ids[start + length - 1])
      if next >= 0, next < logits.count, !allowed.contains(ids[start + length - 1]) { logits[next] = -.infinity }
    }
  }

  package func accept(_ id: Int32) { ids.append(id) }
}
