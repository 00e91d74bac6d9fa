// SPDX-License-Identifier: Apache-2.0

/// Prompt-lookup decoding: drafts the tokens that followed the latest earlier occurrence of the newest ones. For documents, tables and code,
/// answers repeat the prompt and themselves.
package final class PromptLookup: Drafter {
  /// Rows of a pass, the newest token included, that cost little more than one: the GEMM reads each weight once for all of them.
  private static let smallPass = 6
  /// Rows while all drafts of the last pass were accepted.
  private static let largePass = 12

  private let limit: Int
  /// Ids by position; −1 for positions that hold no token.
  private var ids: [Int32]
  private var pass = PromptLookup.smallPass
  /// Moving average of accepted drafts per pass. The lower it is, the longer a match must be to be tried, since a pass of several rows costs
  /// somewhat more than one of the newest token alone.
  private var gain: Float = 1

  /// - Parameters:
  ///   - limit: most drafts of a pass.
  ///   - prompt: token ids before the answer, −1 for rows of images.
  package init(limit: Int, prompt: [Int32]) {
    self.limit = limit
    ids = prompt
  }

  package var largest: Int { PromptLookup.most(limit) }
  /// Most draft tokens of a pass that is limited to `limit`.
  static func most(_ limit: Int) -> Int { min(limit, largePass - 1) }

  package func accept(_ id: Int32) { ids.append(id) }

  package func record(drafted: Int, accepted: Int) {
    guard drafted > 0 else { return }
    gain = 0.75 * gain + 0.25 * Float(accepted)
    pass = accepted == drafted ? PromptLookup.largePass : PromptLookup.smallPass
  }

  /// The tokens after the longest match of the newest ones (at most 8 tokens), the latest among equals.
  package func next(room: Int) -> [Int32] {
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
    let drafts = ids[best.end..<min(best.end + most, count)]
    return Array(drafts.prefix { $0 >= 0 })
  }
}
