// SPDX-License-Identifier: Apache-2.0

/// Keeps an answer from repeating itself: bans tokens that would complete a run seen before, and notices loops.
package struct RepetitionGuard {
  /// Prompt and answer; −1 where something else than a token stands.
  private var ids: [Int32]
  private let ngram, window, loop: Int
  /// For each period p, how many of the newest tokens of the answer equal the one p before them.
  private var matches: [Int]
  private var answered = 0

  /// - Parameters:
  ///   - prompt: its tokens, −1 for rows of images.
  ///   - ngram: length of runs that may not occur twice; below 2: off.
  ///   - window: only runs within the last so many tokens count; 0: all.
  ///   - loop: tokens that must be repetitions of one piece, four times or more, to count as a loop; below 4: off.
  package init(prompt: [Int32], ngram: Int, window: Int, loop: Int) {
    ids = prompt
    self.ngram = ngram
    self.window = window
    self.loop = loop
    matches = Array(repeating: 0, count: loop / 4 + 1)
  }

  /// Makes impossible what would complete a banned run.
  package func ban(_ logits: UnsafeMutableBufferPointer<Float>) {
    guard ngram >= 2, ids.count >= ngram else { return }
    let end = ids.count
    let tail = end - (ngram - 1)
    let first = window > 0 ? max(0, end - window) : 0
    for start in stride(from: first, to: tail, by: 1) where ids[start] == ids[tail] {
      guard ids[start..<start + ngram - 1].elementsEqual(ids[tail...]) else { continue }
      let next = Int(ids[start + ngram - 1])
      if next >= 0, next < logits.count { logits[next] = -.infinity }
    }
  }

  /// Takes the next token of the answer.
  /// - Returns: whether the answer has run into a loop.
  package mutating func append(_ id: Int32) -> Bool {
    ids.append(id)
    answered += 1
    guard loop >= 4 else { return false }
    var found = false
    for period in 1..<max(matches.count, 1) {
      let before = ids.count - 1 - period
      matches[period] = answered > period && ids[before] == id ? matches[period] + 1 : 0
      if matches[period] + period >= loop { found = true }
    }
    return found
  }
}
