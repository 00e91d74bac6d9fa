// SPDX-License-Identifier: Apache-2.0
import Families
import Regions

/// Options of text generation. Token counts above the context length are clamped to it.
package struct GenerateOptions {
  /// Tokens to generate at most; fewer where the context ends.
  package var maxTokens = 256
  /// 0: always the likeliest token (ties: the lowest id). Above: sampling from softmax(logits / temperature).
  package var temperature: Float = 0
  /// Sampling keeps the `topK` likeliest tokens (0: all) and of them the fewest that hold `topP` of the probability.
  package var topK = 0
  package var topP: Float = 1
  /// Then it keeps the tokens with at least `minP` of the likeliest one's probability (0: all), and of those the locally typical ones: nearest
  /// to the entropy, as few as hold `typicalP` of the probability (1: all).
  package var minP: Float = 0
  package var typicalP: Float = 1
  /// Seed of the sampler: the same seed, prompt and images give the same text.
  package var seed: UInt64 = 0
  /// Divides positive logits, multiplies negative ones, of tokens that occurred (arXiv:1909.05858 §4.1). 1: off.
  package var repetitionPenalty: Float = 1
  /// Subtracted from the logits of tokens that occurred: for each occurrence, and once.
  package var frequencyPenalty: Float = 0
  package var presencePenalty: Float = 0
  /// The tokens that count as having occurred.
  package var penaltyWindow = TokenPenalties.Window.answer
  /// True: end-of-sequence tokens are generated like any other and do not stop.
  package var ignoresEnd = false
  /// True: the prompt is used unchanged, without the checkpoint's template.
  package var isRaw = false
  /// What happens to a conversation that does not fit the context.
  package var overflow = Overflow.refuse
  /// True: the prompt is in the checkpoint's conversation format. Set by the session.
  var isConversation = false
  /// Name of one of the checkpoint's own prompt formats; nil: the usual one. Not with a raw prompt.
  package var task: [UInt8]?
  /// Tokens before the answer may end; nil: as the checkpoint's template says, 0 for a raw prompt.
  package var minTokens: Int?
  /// No run of this many tokens occurs twice in prompt and answer, 0: off; nil: as the checkpoint's template says, off for a raw prompt.
  package var ngramBan: Int?
  /// Only n-grams within the last so many tokens count; 0: the template's window with its own ban, else all.
  package var ngramWindow = 0
  /// The answer ends when its last so many tokens are the same sequence repeated four times or more; 0: off.
  package var loopTokens = 0
  /// Most draft tokens of a pass in prompt-lookup decoding (`PromptLookup`); 0: off. The answer is the same.
  package var draftTokens = 11
  /// Added to the logits of these tokens; −∞ bans them.
  package var logitBias: [(id: Int32, bias: Float)] = []
  /// Tokens that may be chosen, beside those that end the answer; empty: all.
  package var allowedIds: [Int32] = []
  /// Tokens that end the answer; they are left out of it.
  package var stopIds: [Int32] = []
  /// Likeliest tokens reported for each token of the answer, with log-probabilities; 0: neither.
  package var topLogProbabilities = 0
  /// Answers generated for one prompt, with seeds `seed`, `seed` + 1, ….
  package var answers = 1
  /// Beam width of a beam search (`Session.searchBeams`); 1: no beam search. At temperature 0.
  package var beams = 1
  /// True: the images are encodings of one picture, which the prompt is about: it is answered with each alone, and the answer of the highest score
  /// counts.
  package var alternatives = false
  /// A finished beam's log-probability is divided by its length to this power.
  package var lengthPenalty: Float = 1
  /// True: the answer's text begins with the prompt as the template formats it.
  package var echoes = false
  /// Texts that end the answer; they are left out of it.
  package var stops: [[UInt8]] = []
  /// Constraint on the answer; nil: none.
  package var constraint: AnswerConstraint?
  /// Seconds from the call until the work is stopped.
  package var deadlineSeconds: Double?
  /// Called during prefill with positions done and in all; false stops.
  package var progress: ((Int, Int) -> Bool)?

  package init() {}

  /// Options for a raw prompt.
  package static var raw: GenerateOptions {
    var options = GenerateOptions()
    options.isRaw = true
    return options
  }
}

extension GenerateOptions {
  /// Throws on the first invalid option, by name.
  func check() throws(FoveaError) {
    func refuse(_ name: String, _ problem: String) -> FoveaError { .argument(name, problem) }
    guard maxTokens >= 0 else { throw refuse("maxTokens", "\(maxTokens), must not be negative") }
    guard temperature >= 0, temperature.isFinite else { throw refuse("temperature", "must be a finite number of at least 0") }
    guard topK >= 0 else { throw refuse("topK", "\(topK), must not be negative") }
    guard topP > 0, topP <= 1 else { throw refuse("topP", "must be above 0 and at most 1") }
    guard minP >= 0, minP <= 1 else { throw refuse("minP", "must be at least 0 and at most 1") }
    guard typicalP > 0, typicalP <= 1 else { throw refuse("typicalP", "must be above 0 and at most 1") }
    guard frequencyPenalty.isFinite, presencePenalty.isFinite else { throw refuse("frequencyPenalty, presencePenalty", "must be finite numbers") }
    guard answers >= 1, answers <= 1024 else { throw refuse("answers", "\(answers), must be 1…1024") }
    guard beams >= 1, beams <= 64 else { throw refuse("beams", "\(beams), must be 1…64") }
    guard beams == 1 || temperature == 0 && answers == 1 else { throw refuse("beams", "take no temperature, and give several answers by themselves") }
    guard !alternatives || answers == 1 else { throw refuse("alternatives", "give several answers by themselves") }
    guard beams == 1 || constraint == nil else { throw refuse("beams", "take no constraint") }
    guard lengthPenalty.isFinite else { throw refuse("lengthPenalty", "must be a finite number") }
    guard topLogProbabilities >= 0 else { throw refuse("topLogProbabilities", "\(topLogProbabilities), must not be negative") }
    guard repetitionPenalty > 0, repetitionPenalty.isFinite else { throw refuse("repetitionPenalty", "must be a finite number above 0") }
    if let n = ngramBan, n < 0 || n == 1 { throw refuse("ngramBan", "\(n), must be 0 or at least 2") }
    guard ngramWindow >= 0 else { throw refuse("ngramWindow", "\(ngramWindow), must not be negative") }
    guard loopTokens >= 0 else { throw refuse("loopTokens", "\(loopTokens), must not be negative") }
    if let m = minTokens, m < 0 { throw refuse("minTokens", "\(m), must not be negative") }
    guard draftTokens >= 0 else { throw refuse("draftTokens", "\(draftTokens), must not be negative") }
    if let d = deadlineSeconds, !(d > 0) { throw refuse("deadline", "must be above 0 seconds") }
  }
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

/// An answer, with its counts and times.
package struct GenerateResult {
  package var ids: [Int32] = []
  /// The answer without special tokens and without the stop text; UTF-8.
  package var text: [UInt8] = []
  /// Positions of the prompt: text tokens, and vectors of images and regions.
  package var promptTokens = 0
  /// Of those, positions reused from the session's previous call.
  package var reusedTokens = 0
  /// Messages of the conversation that were left out.
  package var droppedMessages = 0
  /// Draft tokens, and of those the accepted ones: each saved a pass of the decoder.
  package var draftedTokens = 0, acceptedTokens = 0
  package var stopReason = StopReason.maxTokens
  package var prefillSeconds = 0.0, decodeSeconds = 0.0
  /// ln of each token's probability under the model's own logits, where asked for and for systems that ground; and the places that the
  /// answer names.
  package var logProbabilities: [Float] = []
  /// `[ids.count, top]`: the likeliest tokens at each position, likeliest first, and their log-probabilities.
  package var topIds: [Int32] = []
  package var topLogProbabilities: [Float] = []
  package var top = 0
  /// Of a beam, or an answer about one of several encodings: its log-probability divided by its length to the power `lengthPenalty`.
  package var score = 0.0
  /// Which of several encodings of a picture the answer is about.
  package var image = 0
  /// The other answers to the same prompt.
  package var others: [GenerateResult] = []
  package var places: [GroundedPlace] = []
  /// Why the answer could not go on.
  var failure: FoveaError?

  package init() {}
}
