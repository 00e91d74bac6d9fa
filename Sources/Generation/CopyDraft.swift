// SPDX-License-Identifier: Apache-2.0

/// Guesses the next tokens by looking up where the newest ones stood before (prompt-lookup decoding): in documents, tables and code an
/// answer repeats its prompt and itself. The guesses pass the decoder together with the newest token, for about the price of one,
/// since decoding waits for the weights; those that the sampler would not have chosen are thrown away, so an answer never changes.
struct CopyDraft {
  /// Rows of a pass, the newest token included, that cost little more than one: what the kernels take in one go.
  private static let smallPass = 6
  /// Rows once guesses have been right throughout.
  private static let largePass = 12

  private let limit: Int
  /// Ids by position; −1 where no token stands.
  private var ids: [Int32]
  private var pass = CopyDraft.smallPass
  /// Right guesses of a guessing pass, the last ones counting most: the fewer they were, the longer a repetition must be to be tried,
  /// since a pass of several rows costs somewhat more than one of the newest token alone.
  private var gain: Float = 1

  /// - Parameters:
  ///   - limit: guesses of a pass at most; 0: none ever.
  ///   - prompt: what stands before the answer.
  init(limit: Int, prompt: [SequenceElement]) {
    self.limit = limit
    ids = limit == 0 ? [] : prompt.map { if case .token(let id) = $0 { id } else { -1 } }
  }

  /// Most guesses of a pass.
  var largest: Int { min(limit, CopyDraft.largePass - 1) }

  /// Takes note of a token of the answer.
  mutating func append(_ id: Int32) {
    if limit > 0 { ids.append(id) }
  }

  /// Takes note of how many of a pass's guesses were right.
  mutating func learn(guessed: Int, right: Int) {
    guard guessed > 0 else { return }
    gain = 0.75 * gain + 0.25 * Float(right)
    pass = right == guessed ? CopyDraft.largePass : CopyDraft.smallPass
  }

  /// Up to `room` tokens that may come next: those after the latest place where the newest tokens stood before, the longest match first.
  func next(room: Int) -> ArraySlice<Int32> {
    let count = ids.count
    let most = min(limit, pass - 1, room)
    let shortest = gain > 0.6 ? 2 : gain > 0.2 ? 4 : 7
    guard most > 0, count > shortest, let newest = ids.last else { return [] }
    var best = (length: shortest - 1, end: 0)
    var end = count - 1  // one past the match
    while end > best.length {
      if ids[end - 1] == newest, newest >= 0 {
        var length = 1
        while length < 8, length < end, ids[end - 1 - length] == ids[count - 1 - length], ids[end - 1 - length] >= 0 { length += 1 }
        if length > best.length { best = (length, end) }
        if length == 8 { break }
      }
      end -= 1
    }
    guard best.end > 0 else { return [] }
    let guesses = ids[best.end..<min(best.end + most, count)]
    return guesses.prefix { $0 >= 0 }
  }
}
