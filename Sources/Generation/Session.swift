// SPDX-License-Identifier: Apache-2.0
import Decoders
import Families
import Runtime
import Shims
import Tokenizers

/// One line of work with a model: its key/value cache, scratch memory and stop signal. Used by one thread at a time;
/// a second caller gets BUSY. Each call is a question of its own; what its prompt shares with the previous call's from
/// the start (an image, say) is not computed again.
package final class Session {
  /// Positions that pass the decoder together during prefill.
  static let chunk = 512

  package let model: Model
  /// Positions the session holds.
  package let contextLength: Int
  package let stop = StopSignal()
  let cache: KVCache
  let arena = Arena()
  /// What the cache holds, position by position.
  private var history: [SequenceElement] = []
  private let gate = Gate()

  /// - Parameter contextLength: positions to hold; `nil`: as many as the model was loaded for, which is also the most.
  package init(_ model: Model, contextLength: Int? = nil) throws(FoveaError) {
    self.model = model
    self.contextLength = min(max(contextLength ?? model.contextLength, 1), model.contextLength)
    do { cache = try model.system.decoder.makeCache(capacity: self.contextLength, type: model.cacheType) } catch { throw FoveaError(error) }
  }

  /// Forgets what the cache holds.
  package func reset() throws(FoveaError) {
    try exclusively { () throws(FoveaError) in forget(after: 0) }
  }

  /// Answers a prompt.
  /// - Parameters:
  ///   - prompt: UTF-8; a question for the checkpoint's template, or the whole prompt if `options.isRaw`.
  ///   - images: one per `<image>` mark of a raw prompt, in order.
  ///   - regions: one per `<region>` mark of the prompt, in order.
  ///   - onToken: called with each token and the text that became certain with it (maybe empty); false stops.
  package func generate(
    prompt: [UInt8], images: [ImageEmbedding], regions: [Region] = [], options: GenerateOptions,
    onToken: (Int32, [UInt8]) -> Bool = { _, _ in true }
  ) throws(FoveaError) -> GenerateResult {
    try exclusively { () throws(FoveaError) in
      try check(options)
      arm(options)
      let sequence = try assemble(prompt, images, regions, options)
      guard sequence.count < contextLength else {
        throw FoveaError(
          .context, "prompt: \(sequence.count) positions leave no room in a context of \(contextLength)")
      }
      return try run(sequence, options, onToken)
    }
  }

  /// Logits of every position of a prompt, computed from its start.
  /// - Parameter body: gets `[positions, vocabSize]` row-major; the memory is the session's, valid during the call.
  package func logits(
    prompt: [UInt8], images: [ImageEmbedding], regions: [Region] = [], isRaw: Bool,
    _ body: (UnsafeBufferPointer<Float>, _ rows: Int) -> Void
  ) throws(FoveaError) {
    try exclusively { () throws(FoveaError) in
      var options = GenerateOptions()
      options.isRaw = isRaw
      arm(options)
      let sequence = try assemble(prompt, images, regions, options)
      guard sequence.count <= contextLength else {
        throw FoveaError(.context, "prompt: \(sequence.count) positions exceed a context of \(contextLength)")
      }
      forget(after: 0)
      model.system.decoder.prepare(cache, promptLength: sequence.count)
      let mark = arena.mark()
      defer { arena.release(to: mark) }
      do throws(RuntimeError) {
        let all = try arena.tensor(sequence.count, model.system.decoder.vocabSize)
        let context = model.context(arena, stop)
        try prefill(sequence, from: 0, progress: nil) { (states, first) throws(RuntimeError) in
          try model.system.decoder.logits(states, into: all.slice(rows: first..<first + states.rows), context)
        }
        body(UnsafeBufferPointer(start: all.data, count: all.rows * all.columns), all.rows)
      } catch { throw FoveaError(error) }
    }
  }

  // MARK: prompt

  func check(_ o: GenerateOptions) throws(FoveaError) {
    guard o.maxTokens >= 0 else { throw FoveaError(.argument, "maxTokens: \(o.maxTokens), must not be negative") }
    guard o.temperature >= 0, o.temperature.isFinite else {
      throw FoveaError(.argument, "temperature: must be a finite number of at least 0")
    }
    guard o.topK >= 0 else { throw FoveaError(.argument, "topK: \(o.topK), must not be negative") }
    guard o.topP > 0, o.topP <= 1 else { throw FoveaError(.argument, "topP: must be above 0 and at most 1") }
    guard o.repetitionPenalty > 0, o.repetitionPenalty.isFinite else {
      throw FoveaError(.argument, "repetitionPenalty: must be a finite number above 0")
    }
    if let n = o.ngramBan, n < 0 || n == 1 { throw FoveaError(.argument, "ngramBan: \(n), must be 0 or at least 2") }
    guard o.ngramWindow >= 0 else { throw FoveaError(.argument, "ngramWindow: \(o.ngramWindow), must not be negative") }
    guard o.loopTokens >= 0 else { throw FoveaError(.argument, "loopTokens: \(o.loopTokens), must not be negative") }
    if let m = o.minTokens, m < 0 { throw FoveaError(.argument, "minTokens: \(m), must not be negative") }
    if let d = o.deadlineSeconds, !(d > 0) { throw FoveaError(.argument, "deadline: must be above 0 seconds") }
  }

  func arm(_ options: GenerateOptions) {
    stop.reset()
    if let seconds = options.deadlineSeconds { stop.stop(after: seconds) }
  }

  // MARK: decoding

  /// Keeps what the cache shares with `sequence` from the start, all but its last position at most; returns how much that is.
  func reuse(_ sequence: PromptSequence) -> Int {
    let shared = zip(history, sequence.elements).prefix { $0 == $1 }.count
    model.system.decoder.prepare(cache, promptLength: sequence.count)
    let kept = min(shared, sequence.count - 1, cache.length)
    forget(after: kept)
    return kept
  }

  private func run(
    _ sequence: PromptSequence, _ options: GenerateOptions, _ onToken: (Int32, [UInt8]) -> Bool
  ) throws(FoveaError) -> GenerateResult {
    var result = GenerateResult()
    result.promptTokens = sequence.count
    // The last position is always computed: its logits choose the first token.
    result.reusedTokens = reuse(sequence)

    let decoder = model.system.decoder
    let context = model.context(arena, stop)
    let mark = arena.mark()
    defer { arena.release(to: mark) }
    var sampler = Sampler(options)
    var repetitions = RepetitionGuard(
      prompt: sequence.tokenIds, ngram: options.ngramBan ?? (options.isRaw ? 0 : model.system.template.ngramBan),
      window: options.ngramWindow, loop: options.loopTokens)
    var stops = StopTexts(options.stops + (options.isRaw ? [] : model.system.template.stops))
    var text = model.system.tokenizer.streamingDecoder()
    var places = PlaceReader(model.system)
    do throws(RuntimeError) {
      let started = MonotonicClock.seconds()
      var draft = CopyDraft(limit: options.draftTokens, prompt: sequence.elements)
      // Scores after the newest token (row 0), and after each of the guesses that passed with it.
      let logits = try arena.tensor(1 + draft.largest, decoder.vocabSize)
      try prefill(sequence, from: result.reusedTokens, progress: options.progress) { (states, first) throws(RuntimeError) in
        guard first + states.rows == sequence.count else { return }
        try decoder.logits(states.slice(rows: states.rows - 1..<states.rows), into: logits.slice(rows: 0..<1), context)
      }
      let prefilled = MonotonicClock.seconds()
      result.prefillSeconds = prefilled - started

      var guesses: ArraySlice<Int32> = []
      var row = 0  // guesses found right
      // Wrong guesses, and right ones that the answer did not need, are no part of the sequence.
      defer { forget(after: cache.length - (guesses.count - row)) }
      let minTokens = options.ignoresEnd ? 0 : options.minTokens ?? (options.isRaw ? 0 : model.system.template.minTokens)
      generation: while result.ids.count < options.maxTokens {
        let scores = UnsafeMutableBufferPointer(start: logits[row], count: decoder.vocabSize)
        places?.observe(scores)
        if result.ids.count < minTokens { for end in model.system.endIds { scores[Int(end)] = -.infinity } }
        repetitions.ban(scores)
        let id = sampler.next(scores, previous: result.ids)
        if !options.ignoresEnd, model.system.endIds.contains(id) {
          result.stopReason = .endOfSequence
          break
        }
        result.ids.append(id)
        places?.append(id)
        draft.append(id)
        let piece = stops.append(text.append(id))
        if !onToken(id, piece) {
          result.stopReason = .callback
          break
        }
        if stops.isFound {
          result.stopReason = .stopText
          break
        }
        if repetitions.append(id) {
          result.stopReason = .loop
          break
        }
        if result.ids.count == options.maxTokens { break }
        if row < guesses.count, guesses[guesses.startIndex + row] == id {
          row += 1
          result.acceptedTokens += 1
          continue
        }
        forget(after: cache.length - (guesses.count - row))
        draft.learn(guessed: guesses.count, right: row)
        (guesses, row) = ([], 0)
        guard cache.length < contextLength else {
          result.stopReason = .contextFull
          break generation
        }
        let next = draft.next(room: min(contextLength - cache.length, options.maxTokens - result.ids.count) - 1)
        try step([id] + next, logits, context)
        guesses = next
        result.draftedTokens += next.count
      }
      result.decodeSeconds = MonotonicClock.seconds() - prefilled
    } catch { throw FoveaError(error) }
    var rest: [UInt8] = []
    if !stops.isFound { rest = stops.append(text.finish()) + stops.finish() }
    if !rest.isEmpty, let last = result.ids.last, result.stopReason != .callback { _ = onToken(last, rest) }
    result.text = stops.text
    if let places {
      result.logProbabilities = places.logProbabilities
      if let image = sequence.images.first { result.places = places.places(result.ids, in: image) }
    }
    return result
  }

  /// Appends tokens to the sequence and computes the logits after each, from row 0 of `logits` on.
  private func step(_ ids: [Int32], _ logits: Tensor, _ context: Context) throws(RuntimeError) {
    let decoder = model.system.decoder
    let mark = arena.mark()
    defer { arena.release(to: mark) }
    let x = try arena.tensor(ids.count, decoder.hiddenSize)
    for (row, id) in ids.enumerated() { try embed(id, into: x.slice(rows: row..<row + 1), context) }
    let states = try decoder(x, cache: cache, progress: nil, context)
    history += ids.map { .token($0) }
    try decoder.logits(states, into: logits.slice(rows: 0..<ids.count), context)
  }

  /// Runs the positions from `start` on through the decoder, a chunk at a time.
  /// - Parameter body: gets each chunk's states and the position of their first row.
  func prefill(
    _ sequence: PromptSequence, from start: Int, progress: ((Int, Int) -> Bool)?,
    _ body: (Tensor, Int) throws(RuntimeError) -> Void
  ) throws(RuntimeError) {
    let decoder = model.system.decoder
    let context = model.context(arena, stop)
    var position = start
    while position < sequence.count {
      let end = min(position + Self.chunk, sequence.count)
      let mark = arena.mark()
      defer { arena.release(to: mark) }
      let x = try arena.tensor(end - position, decoder.hiddenSize)
      try embed(sequence, position..<end, into: x, context)
      let states = try decoder(x, cache: cache, progress: nil, context)
      history += sequence.elements[position..<end]
      try body(states, position)
      position = end
      if let progress, !progress(position - start, sequence.count - start) { throw .cancelled }
    }
  }

  func embed(_ id: Int32, into x: Tensor, _ context: Context) throws(RuntimeError) {
    let ids = try arena.array(of: Int32.self, 1)
    ids[0] = id
    try model.system.decoder.embed(UnsafeBufferPointer(start: ids, count: 1), into: x, context)
  }

  private func embed(
    _ sequence: PromptSequence, _ positions: Range<Int>, into x: Tensor, _ context: Context
  ) throws(RuntimeError) {
    for (row, element) in sequence.elements[positions].enumerated() {
      switch element {
      case .token(let id):
        try embed(id, into: x.slice(rows: row..<row + 1), context)
      case .image(let index, _, let imageRow):
        x[row].update(from: sequence.images[index].data + imageRow * x.columns, count: x.columns)
      case .region(let index, _):
        for (k, value) in sequence.regions[index].enumerated() { x[row][k] = value }
      }
    }
  }

  func forget(after length: Int) {
    cache.truncate(to: length)
    if history.count > length { history.removeLast(history.count - length) }
  }

  func exclusively<T>(_ body: () throws(FoveaError) -> T) throws(FoveaError) -> T {
    guard gate.enter() else {
      throw FoveaError(.busy, "session: in use by another thread; a session serves one call at a time")
    }
    defer {
      // What a call took goes back to the system: an image that is encoded next may need as much.
      arena.trim()
      gate.leave()
    }
    return try body()
  }
}
