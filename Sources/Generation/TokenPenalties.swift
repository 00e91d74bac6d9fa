// SPDX-License-Identifier: Apache-2.0

/// Penalises tokens that occurred: divides positive logits and multiplies negative ones (arXiv:1909.05858 §4.1), then subtracts `frequency` for
/// each occurrence and `presence` once.
package final class TokenPenalties: LogitsProcessor {
  /// Which tokens count.
  package enum Window: Equatable {
    case answer
    /// The last n tokens of prompt and answer.
    case last(Int)
    case promptAndAnswer
  }

  private let repetition, frequency, presence: Float
  private let window: Window
  /// Ids that count, ascending, and the occurrences of each.
  private var seen: [Int32] = []
  private var counts: [Int32] = []
  /// With a limited window, a ring buffer of its tokens; −1 for no token.
  private var ring: [Int32] = []
  private var next = 0

  /// - Parameter prompt: its token ids, −1 for other positions.
  package init(repetition: Float = 1, frequency: Float = 0, presence: Float = 0, window: Window = .answer, prompt: [Int32] = []) {
    (self.repetition, self.frequency, self.presence, self.window) = (repetition, frequency, presence, window)
    switch window {
    case .answer: break
    case .last(let count):
      ring = Array(repeating: -1, count: max(count, 1))
      for id in prompt.suffix(count) { accept(id) }
    case .promptAndAnswer:
      for id in prompt.sorted() where id >= 0 {
        if seen.last == id { counts[counts.count - 1] += 1 } else { append(id) }
      }
    }
  }

  package func process(_ logits: UnsafeMutableBufferPointer<Float>) {
    for (id, count) in zip(seen, counts) where logits.indices.contains(Int(id)) {
      var value = logits[Int(id)]
      if repetition != 1 { value = value > 0 ? value / repetition : value * repetition }
      logits[Int(id)] = value - frequency * Float(count) - presence
    }
  }

  package func accept(_ id: Int32) {
    if !ring.isEmpty {
      remove(ring[next])
      ring[next] = id
      next = next + 1 < ring.count ? next + 1 : 0
    }
    guard id >= 0 else { return }
    let place = place(of: id)
    if place < seen.count, seen[place] == id {
      counts[place] &+= 1
    } else {
      seen.insert(id, at: place)
      counts.insert(1, at: place)
    }
  }

  private func remove(_ id: Int32) {
    let place = place(of: id)
    guard id >= 0, place < seen.count, seen[place] == id else { return }
    counts[place] -= 1
    if counts[place] == 0 {
      seen.remove(at: place)
      counts.remove(at: place)
    }
  }

  private func append(_ id: Int32) {
    seen.append(id)
    counts.append(1)
  }

  /// Index of `id` in `seen`, or where it belongs.
  private func place(of id: Int32) -> Int {
    var (low, high) = (0, seen.count)
    while low < high {
      let middle = (low + high) / 2
      if seen[middle] < id { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
