// SPDX-License-Identifier: Apache-2.0
import Decoders
import Families
import Runtime
import Shims

/// Beam search as in transformers, with its defaults: the likeliest continuations of all running beams go on; a finished beam scores its
/// log-probability over its length to the power `lengthPenalty`; the search ends when no running beam can still be among the best. With
/// `loopTokens` a beam that begins to repeat itself is finished too.
extension Session {
  /// A beam, and the index of its KV cache and logits.
  private struct Beam {
    var ids: [Int32] = []
    var score: Float = 0
    var slot = 0
    var loop: LoopCounter
  }

  private struct Ended {
    var ids: [Int32]
    var score: Float
    var reason: StopReason
  }

  private struct Candidate {
    let beam: Int
    let id: Int32
    let score: Float
    /// Of the beam, and of its continuation once that is known to go on.
    var loop: LoopCounter
  }

  /// - Parameters:
  ///   - prompt: token ids of the prefilled prompt, whose logits are row 0 of `first`.
  /// - Returns: the best answer; the next best ones are its `others`.
  func searchBeams(
    _ options: GenerateOptions, prompt: [Int32], _ first: Tensor, _ figures: GenerateResult, _ context: Context
  ) throws(RuntimeError) -> GenerateResult {
    let (count, vocabulary) = (options.beams, model.system.decoder.vocabSize)
    var caches = [cache]
    for _ in 1..<count {
      let copy = try model.cache(contextLength)
      copy.copy(cache)
      caches.append(copy)
    }
    let logits = try context.arena.tensor(count, vocabulary)
    logits.data.update(from: first.data, count: vocabulary)
    let most = min(options.maxTokens, contextLength - prompt.count + 1)
    let endIds = options.ignoresEnd ? options.stopIds : try pipeline(options, prompt, context).endIds + options.stopIds
    // Enough candidates that `count` beams go on even if all of the best end.
    let kept = max(2, 1 + endIds.count) * count

    var running = [Beam(loop: LoopCounter(min(options.loopTokens, contextLength)))]
    var ended: [Ended] = []
    var length = 0
    while length < most {
      var candidates: [Candidate] = []
      for (i, beam) in running.enumerated() {
        let row = UnsafeMutableBufferPointer(start: logits[beam.slot], count: vocabulary)
        try score(row, of: beam.ids, options, prompt, context)
        for id in LargestCandidates.select(kept, of: row) where row[Int(id)] > -.infinity {
          candidates.append(Candidate(beam: i, id: id, score: beam.score + row[Int(id)], loop: beam.loop))
        }
      }
      candidates.sort { $0.score != $1.score ? $0.score > $1.score : ($0.beam, $0.id) < ($1.beam, $1.id) }
      candidates.removeLast(max(candidates.count - kept, 0))
      length += 1
      let share = Float(pow(Double(length), Double(options.lengthPenalty)))
      var going: [Candidate] = []
      for (rank, var c) in candidates.enumerated() {
        let isEnd = endIds.contains(c.id)
        let isLoop = !isEnd && c.loop.loops(running[c.beam].ids, then: c.id)
        if !isEnd, !isLoop, length < most {
          if going.count < count { going.append(c) }
        } else if rank < count {
          let ids = running[c.beam].ids + (isEnd ? [] : [c.id])
          let reason: StopReason = isEnd ? .endOfSequence : isLoop ? .loop : length < options.maxTokens ? .contextFull : .maxTokens
          ended.append(Ended(ids: ids, score: c.score / share, reason: reason))
        }
      }
      // Stable: the first of equals stays.
      ended.sort { $0.score > $1.score }
      ended.removeLast(max(ended.count - count, 0))
      guard let best = going.first, ended.count < count || best.score / share > (ended.last?.score ?? -.infinity) else { break }
      running = try pass(going, running, caches, logits, after: prompt.count, context)
    }
    if ended.isEmpty { ended = running.map { Ended(ids: $0.ids, score: $0.score, reason: .maxTokens) } }
    var answers = ended.map { answer($0, options, figures) }
    var result = answers.isEmpty ? figures : answers.removeFirst()
    result.others = answers
    return result
  }

  private func pipeline(_ options: GenerateOptions, _ prompt: [Int32], _ context: Context) throws(RuntimeError) -> GenerationPipeline {
    try GenerationPipeline(options, model.system, prompt: prompt, contextLength: contextLength, context, onToken: { _, _ in true })
  }

  /// Turns logits into log-probabilities, processed as the options say.
  private func score(
    _ row: UnsafeMutableBufferPointer<Float>, of ids: [Int32], _ options: GenerateOptions, _ prompt: [Int32], _ context: Context
  ) throws(RuntimeError) {
    let peak = row[largestIndex(row)]
    var total = 0.0
    for x in row { total += exp(Double(x - peak)) }
    let shift = peak + Float(log(total))
    for i in row.indices { row[i] -= shift }
    let mark = arena.mark()
    defer { arena.release(to: mark) }
    // Processors cannot be copied: each beam's are made again and replay its tokens.
    for processor in try pipeline(options, prompt, context).processors {
      for id in ids { processor.accept(id) }
      processor.process(row)
    }
  }

  /// Extends the chosen beams by a pass: a parent's first continuation takes over its cache, the others get a copy.
  private func pass(
    _ chosen: [Candidate], _ running: [Beam], _ caches: [KVCache], _ logits: Tensor, after prompt: Int, _ context: Context
  ) throws(RuntimeError) -> [Beam] {
    var spare = Array(caches.indices)
    for c in chosen { spare.removeAll { $0 == running[c.beam].slot } }
    var taken: [Int] = []
    var next: [Beam] = []
    for c in chosen {
      let parent = running[c.beam]
      var slot = parent.slot
      if taken.contains(c.beam), let other = spare.popLast() {
        caches[other].copy(caches[slot], from: prompt)
        slot = other
      }
      taken.append(c.beam)
      next.append(Beam(ids: parent.ids + [c.id], score: c.score, slot: slot, loop: c.loop))
    }
    let decoder = model.system.decoder
    let mark = arena.mark()
    defer { arena.release(to: mark) }
    let x = try arena.tensor(next.count, decoder.hiddenSize)
    var all = DecoderPass(decoder, x)
    for (row, beam) in next.enumerated() {
      guard let id = beam.ids.last else { continue }
      try embed(id, into: x.slice(rows: row..<row + 1), context)
      all.append(caches[beam.slot], rows: 1)
      all.score(row: row, into: logits[beam.slot])
    }
    try self.pass(all)
    return next
  }

  private func answer(_ ended: Ended, _ options: GenerateOptions, _ figures: GenerateResult) -> GenerateResult {
    var result = figures
    (result.ids, result.score, result.stopReason) = (ended.ids, Double(ended.score), ended.reason)
    let template = model.system.template
    let texts = options.isRaw ? [] : options.isConversation ? template.conversation?.stops ?? [] : template.stops
    let stops = StopTexts(options.stops + texts)
    var text = model.system.tokenizer.streamingDecoder()
    for id in ended.ids { _ = stops.append(text.append(id)) }
    if !stops.isFound { _ = stops.append(text.finish()) + stops.finish() } else { result.stopReason = .stopText }
    result.text = stops.text
    return result
  }
}
