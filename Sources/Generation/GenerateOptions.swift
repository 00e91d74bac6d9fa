// SPDX-License-Identifier: Apache-2.0

/// How a text is continued.
package struct GenerateOptions {
  /// Tokens to generate at most; fewer where the context ends.
  package var maxTokens = 256
  /// 0: always the likeliest token (ties: the lowest id). Above: sampling from softmax(logits / temperature).
  package var temperature: Float = 0
  /// Sampling keeps the `topK` likeliest tokens (0: all) and of them the fewest that hold `topP` of the probability.
  package var topK = 0
  package var topP: Float = 1
  /// Seed of the sampler: the same seed, prompt and images give the same text.
  package var seed: UInt64 = 0
  /// Divides positive logits, multiplies negative ones, of tokens already generated (arXiv:1909.05858 §4.1). 1: off.
  package var repetitionPenalty: Float = 1
  /// True: end-of-sequence tokens are generated like any other and do not stop.
  package var ignoresEnd = false
  /// True: the prompt is taken as it stands, without the checkpoint's template.
  package var isRaw = false
  /// Name of one of the checkpoint's own forms of a prompt; nil: the usual one. Not with a raw prompt.
  package var task: [UInt8]?
  /// Tokens before the answer may end; nil: as the checkpoint's template says, 0 for a raw prompt.
  package var minTokens: Int?
  /// No run of this many tokens occurs twice in prompt and answer, 0: off; nil: as the checkpoint's template says, off for a raw prompt.
  package var ngramBan: Int?
  /// Only runs within the last so many tokens count; 0: all.
  package var ngramWindow = 0
  /// The answer ends when its last so many tokens are one piece four times or more; 0: off.
  package var loopTokens = 0
  /// Tokens guessed ahead at most by looking up repetitions (`CopyDraft`); 0: none. The answer is the same.
  package var draftTokens = 11
  /// Texts that end the answer; they are left out of it.
  package var stops: [[UInt8]] = []
  /// Seconds from the call until the work is stopped.
  package var deadlineSeconds: Double?
  /// Called during prefill with positions done and in all; false stops.
  package var progress: ((Int, Int) -> Bool)?

  package init() {}
}

/// Why an answer ended.
package enum StopReason: Int32 {
  case endOfSequence = 0
  case maxTokens = 1
  case stopText = 2
  case callback = 3
  case contextFull = 4
  /// The answer began to repeat itself.
  case loop = 5
}

package struct GenerateResult {
  package var ids: [Int32] = []
  /// The answer without special tokens and without the stop text; UTF-8.
  package var text: [UInt8] = []
  package var promptTokens = 0
  /// Of those, positions taken over from the session's previous call.
  package var reusedTokens = 0
  /// Tokens guessed ahead, and of those the ones that were right: each saved a pass of the decoder.
  package var draftedTokens = 0, acceptedTokens = 0
  package var stopReason = StopReason.maxTokens
  package var prefillSeconds = 0.0, decodeSeconds = 0.0
  /// ln of each token's probability under the model's own logits, and the places that the answer names: for systems that name places.
  package var logProbabilities: [Float] = []
  package var places: [GroundedPlace] = []
}
