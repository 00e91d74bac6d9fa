// SPDX-License-Identifier: Apache-2.0
import CFovea

/// A place that an answer names, in pixels of the first picture.
struct AnswerPlace: Sendable {
  let x1, y1, x2, y2: Double
  let isPoint: Bool
  let phrase: String
  let logProbability: Double
  /// Range of the phrase and its coordinates in the answer, in Unicode scalars.
  let start, end: Int

  var json: JSON {
    [
      "phrase": .string(phrase), "x1": JSON(x1), "y1": JSON(y1), "x2": JSON(x2), "y2": JSON(y2), "point": .bool(isPoint),
      "start": JSON(start), "end": JSON(end), "log_probability": JSON(logProbability),
    ]
  }
}

/// A token with its log-probability and the likeliest ones at its position.
struct AnswerToken: Sendable {
  let text: String
  let logProbability: Double
  let top: [(text: String, logProbability: Double)]

  var json: JSON {
    func json(_ text: String, _ value: Double) -> [JSON.Member] {
      // OpenAI's value for a token of probability 0.
      let value = value.isFinite ? value : -9999
      let bytes = JSON.array(text.utf8.map { JSON($0) })
      return [.init(name: "token", value: .string(text)), .init(name: "logprob", value: JSON(value)), .init(name: "bytes", value: bytes)]
    }
    return .object(
      json(text, logProbability) + [.init(name: "top_logprobs", value: .array(top.map { .object(json($0.text, $0.logProbability)) }))])
  }
}

/// One answer.
struct AnswerText: Sendable {
  let text: String
  let stopReason: Int
  let tokenCount: Int
  let tokens: [AnswerToken]?

  /// OpenAI's `finish_reason`.
  var finishReason: JSON { stopReason == FOVEA_STOP_LENGTH || stopReason == FOVEA_STOP_CONTEXT ? "length" : "stop" }
}

/// The complete result of a request.
struct AnswerSet: Sendable {
  var answers: [AnswerText] = []
  var promptTokens = 0
  var cachedTokens = 0
  var places: [AnswerPlace] = []
  /// Sizes and views of the request's pictures.
  var pictures: [JSON] = []
  var queueSeconds = 0.0
  var encodeSeconds = 0.0
  var prefillSeconds = 0.0
  var decodeSeconds = 0.0

  var completionTokens: Int { answers.reduce(0) { $0 + $1.tokenCount } }

  var usage: JSON {
    [
      "prompt_tokens": JSON(promptTokens), "completion_tokens": JSON(completionTokens), "total_tokens": JSON(promptTokens + completionTokens),
      "prompt_tokens_details": ["cached_tokens": JSON(cachedTokens)],
    ]
  }

  /// Results without a place in OpenAI's format.
  var extras: JSON {
    [
      "places": .array(places.map(\.json)), "images": .array(pictures),
      "seconds": [
        "queue": JSON(queueSeconds), "encode": JSON(encodeSeconds), "prefill": JSON(prefillSeconds), "decode": JSON(decodeSeconds),
      ],
    ]
  }
}
