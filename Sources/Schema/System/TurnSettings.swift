// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// How a conversation is written: a system text, then users and assistants in turn, then what opens the answer. Texts hold `{text}`; a user's
/// also `{images}`.
package struct TurnSettings: Settings, Equatable, Sendable {
  package static let scope = "turns"

  package enum Role: Spelled, Sendable {
    case system, user, assistant

    package var spelling: StaticString {
      switch self {
      case .system: "system"
      case .user: "user"
      case .assistant: "assistant"
      }
    }
  }

  /// Empty: there are no turns.
  package var user = ""
  /// Empty: as `user`.
  package var textUser = ""
  package var image = ""
  package var assistant = "", answer = ""
  package var system = "", noSystem = ""
  /// Empty: `system` stands before it.
  package var systemUser = ""
  package var imagesFirst = true
  package var between = ""
  package var trims: [Role] = []
  /// UTF-8.
  package var stop: [[UInt8]] = []

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.string(
      "user", &user, default: "",
      "A user's turn, with `{text}`, and `{images}` where they do not stand before the text; empty: `prompt.template` and `prompt.turnSeparator` say how turns follow each other, if both do."
    )
    let exists = Condition.when(!user.isEmpty, "`prompt.turns.user` is not empty")
    try f.string("textUser", &textUser, default: "", when: exists, "A user's turn that does not begin with an image; empty: as `prompt.turns.user`.")
    try f.string("image", &image, default: "<image>", when: exists, "What stands for one image in `{images}`.")
    try f.string("assistant", &assistant, default: "", when: exists, "An assistant's turn, with `{text}`.")
    try f.string("answer", &answer, default: "", when: exists, "What opens the answer, after the last user's turn.")
    try f.string(
      "system", &system, default: "", when: exists, "The system's turn, which comes first, with `{text}`; empty: there is none.")
    try f.string("noSystem", &noSystem, default: "", when: exists, "What stands in the system's place where no system text is given.")
    try f.string(
      "systemUser", &systemUser, default: "", when: exists,
      "The first user's turn where a system text is given, with `{system}`; empty: the system text is a turn of its own.")
    try f.bool("imagesFirst", &imagesFirst, default: true, when: exists, "Whether a turn's images stand before its texts in any case.")
    try f.string("between", &between, default: "", when: exists, "Text between two texts of a turn.")
    try f.choices("trims", &trims, count: 0...3, when: exists, "Whose texts lose the blanks at their ends.")
    try f.texts("stop", &stop, isOptional: true, when: exists, "Texts that end an answer in a conversation, besides the end tokens.")
  }
}
