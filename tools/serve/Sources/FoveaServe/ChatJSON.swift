// SPDX-License-Identifier: Apache-2.0
import Foundation

/// The members common to all parts of a completion.
struct ChatHead: Sendable {
  let id: String
  let created: Int
  let model: String

  init(model: String) {
    self.model = model
    id = "chatcmpl-" + UUID().uuidString.filter { $0 != "-" }.lowercased()
    created = Int(Date().timeIntervalSince1970)
  }

  fileprivate func members(_ object: String) -> [JSON.Member] {
    [
      .init(name: "id", value: .string(id)), .init(name: "object", value: .string(object)), .init(name: "created", value: JSON(created)),
      .init(name: "model", value: .string(model)),
    ]
  }

  fileprivate static func logprobs(_ tokens: [AnswerToken]?) -> JSON {
    tokens.map { ["content": .array($0.map(\.json)), "refusal": nil] } ?? .null
  }

  /// The answer to a request that is not streamed.
  func completion(_ set: AnswerSet) -> JSON {
    let choices: [JSON] = set.answers.enumerated().map { index, answer in
      [
        "index": JSON(index), "message": ["role": "assistant", "content": .string(answer.text), "refusal": nil],
        "logprobs": Self.logprobs(answer.tokens), "finish_reason": answer.finishReason,
      ]
    }
    return .object(
      members("chat.completion") + [
        .init(name: "choices", value: .array(choices)), .init(name: "usage", value: set.usage), .init(name: "fovea", value: set.extras),
      ])
  }
}

/// The events of a streamed completion (WHATWG HTML, server-sent events).
struct ChatStream {
  let head: ChatHead
  let answers: Int
  let includesUsage: Bool
  private var hasText = false

  init(head: ChatHead, answers: Int, includesUsage: Bool) { (self.head, self.answers, self.includesUsage) = (head, answers, includesUsage) }

  static func event(_ json: JSON) -> String { "data: \(json.text)\n\n" }

  private func chunk(_ index: Int, _ delta: JSON, _ finish: JSON = .null, logprobs: JSON = .null, extras: JSON? = nil) -> String {
    let choice: JSON = ["index": JSON(index), "delta": delta, "logprobs": logprobs, "finish_reason": finish]
    var members = head.members("chat.completion.chunk") + [.init(name: "choices", value: [choice])]
    if includesUsage { members.append(.init(name: "usage", value: .null)) }
    if let extras { members.append(.init(name: "fovea", value: extras)) }
    return Self.event(.object(members))
  }

  /// The role, for each answer.
  var beginning: String { (0..<answers).map { chunk($0, ["role": "assistant", "content": ""]) }.joined() }

  /// The next text of the first answer.
  mutating func text(_ text: String) -> String {
    hasText = true
    return chunk(0, ["content": .string(text)])
  }

  /// The remaining text, the finish reasons and the usage.
  func end(_ set: AnswerSet) -> String {
    var out = ""
    for (index, answer) in set.answers.enumerated() {
      if let tokens = answer.tokens {
        out += chunk(index, ["content": .string(answer.text)], logprobs: ChatHead.logprobs(tokens))
      } else if index > 0 || !hasText, !answer.text.isEmpty {
        out += chunk(index, ["content": .string(answer.text)])
      }
      out += chunk(index, [:], answer.finishReason, extras: index == 0 ? set.extras : nil)
    }
    if includesUsage {
      out += Self.event(.object(head.members("chat.completion.chunk") + [.init(name: "choices", value: []), .init(name: "usage", value: set.usage)]))
    }
    return out + "data: [DONE]\n\n"
  }
}
