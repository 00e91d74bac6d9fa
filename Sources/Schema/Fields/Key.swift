// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// What a key of the metadata may hold.
package struct Key {
  package enum Presence {
    case required
    /// Absent: nil or empty.
    case optional
    /// Absent: this default.
    case fallback(MetadataValue)
  }

  package enum Limits {
    case any
    /// Of the number, or of each number of a list.
    case ints(ClosedRange<Int>)
    case doubles(ClosedRange<Double>)
    /// Of the text, or of each text of a list.
    case spellings([StaticString])
  }

  /// With its scope: `vision.heads`.
  package let name: String
  package let kind: MetadataValue.Kind
  package let presence: Presence
  /// The widest limits; other keys may narrow them.
  package let limits: Limits
  /// How long a list may be.
  package let count: ClosedRange<Int>?
  /// When the key exists; empty: always.
  package let conditions: [StaticString]
  /// One line.
  package let meaning: StaticString
}

/// When a key exists.
package struct Condition {
  package let holds: Bool
  let text: StaticString?

  package static let always = Condition(holds: true, text: nil)

  /// - Parameter text: as the table of keys says it, e.g. "`kind` is `llama`".
  package static func when(_ holds: Bool, _ text: StaticString) -> Condition { Condition(holds: holds, text: text) }
}
