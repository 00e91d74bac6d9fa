// SPDX-License-Identifier: Apache-2.0
import Constraints
import Families
import Runtime

/// The steps of generating one answer, each of its own type, chosen by the options and the checkpoint's template.
package struct GenerationPipeline {
  let processors: [LogitsProcessor]
  let sampler: Sampler
  let rules: [StopRule]
  let drafter: Drafter?
  /// nil: not asked for.
  let logProbabilities: LogProbabilities?
  /// Also one of `rules`.
  let stops: StopTexts
  let maxTokens: Int
  /// Tokens that end an answer according to the model or the template.
  let endIds: [Int32]

  package init(
    processors: [LogitsProcessor] = [], sampler: Sampler, rules: [StopRule] = [], drafter: Drafter? = nil,
    logProbabilities: LogProbabilities? = nil, stops: StopTexts = StopTexts([]), maxTokens: Int
  ) {
    self.processors = processors
    self.sampler = sampler
    self.rules = rules
    self.drafter = drafter
    self.logProbabilities = logProbabilities
    self.stops = stops
    self.maxTokens = maxTokens
    endIds = []
  }

  /// The pipeline of one call.
  /// - Parameters:
  ///   - prompt: its token ids, −1 for rows of images and regions.
  ///   - constraint: the answer's constraint, in its initial state.
  ///   - context: memory of its arena is used for the pipeline's lifetime.
  ///   - onToken: see `Session.answer`.
  init(
    _ o: GenerateOptions, _ system: LoadedSystem, prompt: [Int32], contextLength: Int, constraint: Constraint? = nil, _ context: Context,
    onToken: @escaping (Int32, [UInt8]) -> Bool
  ) throws(RuntimeError) {
    let template = system.template
    let vocabulary = system.decoder.vocabSize
    func scratch(_ rows: Int) throws(RuntimeError) -> UnsafeMutableBufferPointer<Float> {
      UnsafeMutableBufferPointer(start: try context.arena.array(of: Float.self, rows * vocabulary), count: rows * vocabulary)
    }

    var processors: [LogitsProcessor] = []
    // The file's own limits apply to single questions only.
    let isQuestion = !o.isRaw && !o.isConversation
    let stopTexts = o.isRaw ? [] : o.isConversation ? template.conversation?.stops ?? [] : template.stops
    // A special token decodes to no text, so it is matched by id.
    let endIds = system.endIds + stopTexts.compactMap { system.tokenizer.addedId(of: $0) }
    self.endIds = endIds
    let least = min(o.ignoresEnd ? 0 : o.minTokens ?? (isQuestion ? template.minTokens : 0), contextLength)
    if least > 0 { processors.append(MinimumLength(least, endIds: endIds)) }
    let ngram = min(o.ngramBan ?? (isQuestion ? template.ngramBan : 0), contextLength)
    if ngram >= 2 {
      let window = o.ngramBan == nil && o.ngramWindow == 0 ? template.ngramWindow : o.ngramWindow
      let allowed = template.ngramAllowed.compactMap { system.tokenizer.id(of: $0) }
      processors.append(NGramBan(ngram, window: min(window, contextLength), allowed: allowed, prompt: prompt))
    }
    if !o.isRaw, let tokens = system.locationTokens { processors.append(ReadingOrder(tokens)) }
    if !o.logitBias.isEmpty { processors.append(LogitBias(o.logitBias)) }
    if o.repetitionPenalty != 1 || o.frequencyPenalty != 0 || o.presencePenalty != 0 {
      var window = o.penaltyWindow
      if case .last(let count) = window { window = .last(min(count, contextLength)) }
      processors.append(
        TokenPenalties(
          repetition: o.repetitionPenalty, frequency: o.frequencyPenalty, presence: o.presencePenalty, window: window, prompt: prompt))
    }
    if !o.allowedIds.isEmpty { processors.append(AllowedTokens(o.allowedIds + endIds + o.stopIds)) }
    if let constraint {
      let mask = ConstraintMask(constraint, endIds: system.endIds, context.stop)
      if processors.isEmpty {
        processors = [mask]
      } else {
        let copy = ConstraintRescue.Copy(scratch: try scratch(1))
        processors = [mask, copy] + processors + [ConstraintRescue(copy)]
      }
    }
    self.processors = processors

    sampler = Sampler(o, context.kernels, scratch: try scratch(o.temperature > 0 ? 1 : 0))
    let tells = system.regionMarks != nil || o.topLogProbabilities > 0 || o.alternatives
    logProbabilities = tells ? LogProbabilities(context.kernels, scratch: try scratch(2), top: o.topLogProbabilities) : nil

    stops = StopTexts(o.stops + stopTexts)
    var rules: [StopRule] = []
    if !o.ignoresEnd { rules.append(EndTokens(endIds)) }
    if !o.stopIds.isEmpty { rules.append(EndTokens(o.stopIds, reason: .stopText)) }
    rules += [TokenCallback(onToken), stops]
    if o.loopTokens > 0 { rules.append(LoopDetector(min(o.loopTokens, contextLength))) }
    self.rules = rules

    drafter = o.draftTokens > 0 ? PromptLookup(limit: o.draftTokens, prompt: prompt) : nil
    maxTokens = o.maxTokens
  }

  /// Most arrays of `vocabSize` floats in a session's scratch memory while it answers: logits after the newest token and its drafts, copies of
  /// them for sampling, log-probabilities and a constraint; for several answers or beams their logits and pipelines too.
  static func vocabularyRows(_ o: GenerateOptions) -> Int {
    let pipeline = 4
    return 1 + PromptLookup.most(o.draftTokens) + pipeline + (o.answers > 1 ? 1 + pipeline : 0) + (o.beams > 1 ? o.beams + pipeline : 0)
  }

  /// Most rows of logits of a pass: the newest token and its drafts.
  var mostRows: Int { 1 + (drafter?.largest ?? 0) }
}
