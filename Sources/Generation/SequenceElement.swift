// SPDX-License-Identifier: Apache-2.0

/// What stands at one position of a sequence.
enum SequenceElement: Equatable {
  case token(Int32)
  /// Row of the call's image number `index`; two calls mean the same image when `identity` is the same.
  case image(index: Int, identity: UInt64, row: Int)

  static func == (a: Self, b: Self) -> Bool {
    switch (a, b) {
    case (.token(let x), .token(let y)): return x == y
    case (.image(_, let i, let x), .image(_, let j, let y)): return i == j && x == y
    default: return false
    }
  }
}
