// SPDX-License-Identifier: Apache-2.0
import Families

/// The element at one position of a sequence.
enum SequenceElement: Equatable {
  case token(Int32)
  /// Row `row` of the call's image number `index`; equal `identity` means equal vectors, also across calls.
  case image(index: Int, identity: UInt64, row: Int)
  /// The call's region number `index`; `identity` likewise.
  case region(index: Int, identity: UInt64)

  static func == (a: Self, b: Self) -> Bool {
    switch (a, b) {
    case (.token(let x), .token(let y)): return x == y
    case (.image(_, let i, let x), .image(_, let j, let y)): return i == j && x == y
    case (.region(_, let i), .region(_, let j)): return i == j
    default: return false
    }
  }
}

/// A prompt as positions, and the vectors of those that are not tokens.
struct PromptSequence {
  var elements: [SequenceElement] = []
  let images: [ImageEmbedding]
  /// One vector of the decoder's width for each region.
  var regions: [[Float]] = []
  /// As text, UTF-8.
  var text: [UInt8] = []
  /// Messages that were dropped because they did not fit.
  var dropped = 0

  var count: Int { elements.count }

  /// The ids of its tokens, −1 for positions that hold something else.
  var tokenIds: [Int32] { elements.map { if case .token(let id) = $0 { id } else { -1 } } }
}
