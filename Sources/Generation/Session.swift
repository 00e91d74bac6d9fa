// SPDX-License-Identifier: Apache-2.0
import Constraints
import Decoders
import Families
import Regions
import Runtime
import Shims
import Tokenizers

/// A sequence processed with a model: its KV cache, scratch memory and stop signal. Used by one thread at a time; a second caller gets
/// BUSY. Each call is a question of its own; the prefix that its prompt shares with the previous call's (an image, say) is not computed
/// again.
package final class Session {
  /// Prefill chunk, in positions.
  static let chunk = 512
  package let model: Model
  /// Most positions of the session.
  package let contextLength: Int
  package let stop = StopSignal()
  let cache: KVCache
  let arena: Arena
  /// What the cache holds, by position.
  private(set) var history: [SequenceElement] = []
  private let gate = Gate()
  /// Set while it answers.
  var member: DecoderBatcher.Member?
  /// The last constraint, cached, and its share of the memory budget.
  var kept: (asked: AnswerConstraint, constraint: Constraint, holding: MemoryHolding?)?
  /// The session's share of the memory budget.
  private let holdings: [MemoryHolding]

  /// - Parameter contextLength: most positions; `nil`: as the model was loaded with, which is also the maximum.
  package init(_ model: Model, contextLength: Int? = nil) throws(FoveaError) {
    guard model.system.answers else {
      throw .unsupported("session", "\(model.file.name) is the part of a system that encodes images; its decoder is in another file.")
    }
    self.model = model
    self.contextLength = min(max(contextLength ?? model.contextLength, 1), model.contextLength)
    do { cache = try model.cache(self.contextLength) } catch { throw FoveaError(error) }
    cache.counter = model.counters.sessions
    arena = model.arena()
    // The cache's pages are not touched yet.
    holdings = try model.budget?.session(cache: cache.byteCount) ?? []
    model.batcher.retain()
  }

  deinit { model.batcher.release() }

  /// Empties the cache.
  package func reset() throws(FoveaError) {
    try exclusively { () throws(FoveaError) in clear() }
  }

  /// `reset` for a caller that holds the session (`exclusively`).
  package func clear() { forget(after: 0) }

  /// Answers a prompt.
  /// - Parameters:
  ///   - prompt: UTF-8; a question for the checkpoint's template, or the whole prompt if `options.isRaw`.
  ///   - images: one per `<image>` mark of a raw prompt, in order.
  ///   - regions: one per `<region>` mark of the prompt, in order.
  ///   - onToken: called with each token and the text that it completes (may be empty); false stops.
  package func generate(
    prompt: [UInt8], images: [ImageEmbedding], regions: [Region] = [], options: GenerateOptions,
    onToken: @escaping (Int32, [UInt8]) -> Bool = { _, _ in true }
  ) throws(FoveaError) -> GenerateResult {
    try exclusively { () throws(FoveaError) in
      try answer(.prompt(prompt, images: images, regions: regions), options: options, onToken: onToken)
    }
  }

  /// Answers the last message of a conversation.
  package func chat(
    _ messages: [Message], options: GenerateOptions, onToken: @escaping (Int32, [UInt8]) -> Bool = { _, _ in true }
  ) throws(FoveaError) -> GenerateResult {
    try exclusively { () throws(FoveaError) in try answer(.conversation(messages), options: options, onToken: onToken) }
  }

  /// `generate` for a caller that holds the session (`exclusively`).
  package func answer(
    _ request: Request, options: GenerateOptions, onToken: @escaping (Int32, [UInt8]) -> Bool
  ) throws(FoveaError) -> GenerateResult {
    try options.check()
    arm(options)
    return options.alternatives ? try likeliest(request, options, onToken) : try answer(request, options, onToken)
  }

  /// `answer` once the options are checked and the deadline is set.
  func answer(_ request: Request, _ options: GenerateOptions, _ onToken: @escaping (Int32, [UInt8]) -> Bool) throws(FoveaError) -> GenerateResult {
    let constraint = try constraint(options)
    let sequence = try assemble(request, options)
    guard sequence.count < contextLength else { throw .noRoom(positions: sequence.count, capacity: contextLength) }
    var options = options
    if case .conversation = request { options.isConversation = model.system.template.conversation != nil }
    return try run(sequence, options, constraint, onToken)
  }

  /// Logits of every position of a prompt, computed from its first position.
  /// - Parameters:
  ///   - options: only the prompt format, deadline and progress are used.
  ///   - body: gets `[positions, vocabSize]` row-major; the memory is the session's, valid during the call.
  package func logits(
    prompt: [UInt8], images: [ImageEmbedding], regions: [Region] = [], options: GenerateOptions,
    _ body: (UnsafeBufferPointer<Float>, _ rows: Int) throws(FoveaError) -> Void
  ) throws(FoveaError) {
    try exclusively { () throws(FoveaError) in
      try allLogits(.prompt(prompt, images: images, regions: regions), options: options, body)
    }
  }

  /// `logits` for a caller that holds the session (`exclusively`).
  package func allLogits(
    _ request: Request, options: GenerateOptions,
    _ body: (UnsafeBufferPointer<Float>, _ rows: Int) throws(FoveaError) -> Void
  ) throws(FoveaError) {
    try options.check()
    arm(options)
    let sequence = try assemble(request, options)
    guard sequence.count <= contextLength else {
      throw .context("prompt", positions: sequence.count, isLeast: false, capacity: contextLength)
    }
    let holding = try model.budget?.hold(logitBytes(sequence.count), "logits")
    defer { withExtendedLifetime(holding) {} }
    let mark = arena.mark()
    defer { arena.release(to: mark) }
    let all = try together { () throws(RuntimeError) in
      forget(after: 0)
      let decoder = model.system.decoder
      decoder.prepare(cache, promptLength: sequence.count)
      let all = try arena.tensor(sequence.count, decoder.vocabSize)
      try prefill(sequence, from: 0, progress: options.progress) { (x, first) throws(RuntimeError) in
        try pass(DecoderPass(decoder, x, cache, scores: all.slice(rows: first..<first + x.rows)))
      }
      return all
    }
    try body(UnsafeBufferPointer(start: all.data, count: all.rows * all.columns), all.rows)
  }

  /// Bytes of the logits of `rows` positions, and of the caller's copy.
  private func logitBytes(_ rows: Int) -> Int {
    let (bytes, overflows) = rows.multipliedReportingOverflow(by: 2 * MemoryLayout<Float>.stride * model.system.decoder.vocabSize)
    return overflows ? .max : bytes
  }

  /// Bytes of the KV caches of the other beams.
  private func beamBytes(_ beams: Int) -> Int {
    let (bytes, overflows) = cache.byteCount.multipliedReportingOverflow(by: beams - 1)
    return overflows ? .max : bytes
  }

  /// Sets the call's deadline. Whether it is cancelled counts from when the session was taken (`exclusively`).
  func arm(_ options: GenerateOptions) {
    stop.deadline = nil
    if let seconds = options.deadlineSeconds { stop.stop(after: seconds) }
  }

  // MARK: decoding

  /// Keeps the prefix that the cache shares with `sequence`, but not its last position; returns its length.
  func reuse(_ sequence: PromptSequence) -> Int {
    let shared = zip(history, sequence.elements).prefix { $0 == $1 }.count
    model.system.decoder.prepare(cache, promptLength: sequence.count)
    let kept = min(shared, sequence.count - 1, cache.length)
    forget(after: kept)
    return kept
  }

  private func run(
    _ sequence: PromptSequence, _ options: GenerateOptions, _ constraint: Constraint?, _ onToken: @escaping (Int32, [UInt8]) -> Bool
  ) throws(FoveaError) -> GenerateResult {
    var result = GenerateResult()
    result.promptTokens = sequence.count
    result.droppedMessages = sequence.dropped
    let beams = options.beams > 1 ? try model.budget?.hold(beamBytes(options.beams), "beams") : nil
    defer { withExtendedLifetime(beams) {} }
    let mark = arena.mark()
    defer { arena.release(to: mark) }
    result = try together(options) { () throws(RuntimeError) in
      // The last position is always computed: its logits give the first token.
      result.reusedTokens = reuse(sequence)
      return try decode(sequence, options, constraint, result, onToken)
    }
    if let failure = result.failure { throw failure }
    if let image = sequence.images.first {
      result.places = GroundedPlace.places(in: result.ids, result.logProbabilities, model.system, image)
    }
    if options.echoes {
      result.text = sequence.text + result.text
      for i in result.others.indices { result.others[i].text = sequence.text + result.others[i].text }
    }
    return result
  }

  private func decode(
    _ sequence: PromptSequence, _ options: GenerateOptions, _ constraint: Constraint?, _ figures: GenerateResult,
    _ onToken: @escaping (Int32, [UInt8]) -> Bool
  ) throws(RuntimeError) -> GenerateResult {
    let decoder = model.system.decoder
    let context = model.context(arena, stop)
    let started = MonotonicClock.seconds()
    let prompt = sequence.tokenIds
    let pipeline = try GenerationPipeline(
      options, model.system, prompt: prompt, contextLength: contextLength, constraint: constraint, context, onToken: onToken)
    // Logits after the newest token (row 0), and after each draft token that passed with it.
    let logits = try arena.tensor(pipeline.mostRows, decoder.vocabSize)
    try prefill(sequence, from: figures.reusedTokens, progress: options.progress, scores: logits.slice(rows: 0..<1))
    let prefilled = MonotonicClock.seconds()
    if options.beams > 1 {
      defer { forget(after: prompt.count) }
      var result = try searchBeams(options, prompt: prompt, logits, figures, context)
      if let last = result.ids.last, !result.text.isEmpty { _ = onToken(last, result.text) }
      result.prefillSeconds = prefilled - started
      result.decodeSeconds = MonotonicClock.seconds() - prefilled
      return result
    }
    // Every answer starts from the prompt's logits, which choosing modifies.
    let first = options.answers > 1 ? try arena.tensor(1, decoder.vocabSize) : nil
    if let first { first.data.update(from: logits.data, count: decoder.vocabSize) }
    var result = try decode(Decoding(pipeline, model.system.tokenizer, figures), logits, context, onToken)
    result.prefillSeconds = prefilled - started
    result.decodeSeconds = MonotonicClock.seconds() - prefilled
    if let first, result.failure == nil {
      for i in 1..<options.answers {
        result.others.append(try another(i, options, constraint, prompt, figures, first, logits, context))
        result.failure = result.others.last?.failure
        if result.failure != nil { break }
      }
    }
    return result
  }

  /// Answer number `i` to a prefilled prompt, whose logits are `first`.
  private func another(
    _ i: Int, _ options: GenerateOptions, _ constraint: Constraint?, _ prompt: [Int32], _ figures: GenerateResult, _ first: Tensor,
    _ logits: Tensor, _ context: Context
  ) throws(RuntimeError) -> GenerateResult {
    let mark = arena.mark()
    defer { arena.release(to: mark) }
    forget(after: prompt.count)
    logits.data.update(from: first.data, count: first.columns)
    var options = options
    options.seed &+= UInt64(i)
    do throws(ConstraintError) { try constraint?.begin(ConstraintBounds { [stop] in stop.isStopped }) } catch {
      var failed = figures
      failed.failure = FoveaError(error, stop)
      return failed
    }
    let started = MonotonicClock.seconds()
    let pipeline = try GenerationPipeline(
      options, model.system, prompt: prompt, contextLength: contextLength, constraint: constraint, context, onToken: { _, _ in true })
    var result = try decode(Decoding(pipeline, model.system.tokenizer, figures), logits, context) { _, _ in true }
    result.decodeSeconds = MonotonicClock.seconds() - started
    return result
  }

  private func decode(
    _ begun: Decoding, _ logits: Tensor, _ context: Context, _ onToken: @escaping (Int32, [UInt8]) -> Bool
  ) throws(RuntimeError) -> GenerateResult {
    let decoder = model.system.decoder
    var decoding = begun
    // Rejected drafts, and accepted ones that the answer did not need, are not part of the sequence.
    defer { forget(after: cache.length - decoding.rejectedDrafts) }
    while !decoding.isFull {
      let step = decoding.choose(UnsafeMutableBufferPointer(start: logits[decoding.row], count: decoder.vocabSize))
      if step == .ended { break }
      guard case .pass(let id) = step else { continue }
      forget(after: cache.length - decoding.rejectedDrafts)
      decoding.closePass()
      guard cache.length < contextLength else {
        decoding.end(.contextFull)
        break
      }
      let drafted = decoding.draft(room: contextLength - cache.length - 1)
      try self.step([id] + drafted, logits, context)
      decoding.passed(drafted)
    }
    let failure = decoding.failure
    // An answer that failed outputs no more text.
    var result = failure == nil ? decoding.finish(onToken: onToken) : decoding.result
    result.failure = failure
    return result
  }

  /// Appends tokens to the sequence and computes the logits after each, from row 0 of `logits` on.
  private func step(_ ids: [Int32], _ logits: Tensor, _ context: Context) throws(RuntimeError) {
    let decoder = model.system.decoder
    let mark = arena.mark()
    defer { arena.release(to: mark) }
    let x = try arena.tensor(ids.count, decoder.hiddenSize)
    for (row, id) in ids.enumerated() { try embed(id, into: x.slice(rows: row..<row + 1), context) }
    try pass(DecoderPass(decoder, x, cache, scores: logits.slice(rows: 0..<ids.count)))
    history += ids.map { .token($0) }
  }

  /// Runs `body` with its share of the memory budget, as a member of `DecoderBatcher`, which batches the passes of concurrent sessions.
  func together<T>(_ options: GenerateOptions = GenerateOptions(), _ body: () throws(RuntimeError) -> T) throws(FoveaError) -> T {
    let more = GenerationPipeline.vocabularyRows(options) - GenerationPipeline.vocabularyRows(GenerateOptions())
    let holding = try model.budget?.answering(more: max(more, 0) * model.system.decoder.vocabSize * MemoryLayout<Float>.stride)
    let member = try model.batcher.join(model.context(arena, stop), model.budget)
    self.member = member
    defer {
      self.member = nil
      model.batcher.leave(member)
      withExtendedLifetime(holding) {}
      // An aborted pass may have extended the cache already.
      forget(after: min(history.count, cache.length))
    }
    do throws(RuntimeError) { return try body() } catch { throw FoveaError(error) }
  }

  /// Runs a pass of the decoder, batched with those of other sessions within `together`.
  func pass(_ pass: DecoderPass) throws(RuntimeError) {
    guard let member else { return try pass.run(model.context(arena, stop)) }
    try model.batcher.run(pass, for: member)
    try stop.check()
  }

  /// Runs the positions from `start` on through the decoder; `scores` receives the logits after the last.
  func prefill(
    _ sequence: PromptSequence, from start: Int, progress: ((Int, Int) -> Bool)?, scores: Tensor
  ) throws(RuntimeError) {
    try prefill(sequence, from: start, progress: progress) { (x, first) throws(RuntimeError) in
      let isLast = first + x.rows == sequence.count
      try pass(DecoderPass(model.system.decoder, x, cache, scores: isLast ? scores : nil))
    }
  }

  /// Prefills the positions from `start` on, chunk by chunk.
  /// - Parameter body: runs a chunk's vectors through the decoder; also gets the position of their first row.
  private func prefill(
    _ sequence: PromptSequence, from start: Int, progress: ((Int, Int) -> Bool)?, _ body: (Tensor, Int) throws(RuntimeError) -> Void
  ) throws(RuntimeError) {
    let context = model.context(arena, stop)
    var position = start
    while position < sequence.count {
      let end = min(position + model.batcher.chunk, sequence.count)
      let mark = arena.mark()
      defer { arena.release(to: mark) }
      let x = try arena.tensor(end - position, model.system.decoder.hiddenSize)
      try embed(sequence, position..<end, into: x, context)
      try body(x, position)
      history += sequence.elements[position..<end]
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

  /// Takes over the contents of another session, or of a saved one.
  /// - Parameter other: nil: the cache already holds its keys and values.
  func take(_ elements: [SequenceElement], from other: KVCache? = nil) {
    if let other { cache.copy(other) }
    // A copy, not copy-on-write storage shared with the other session: ThreadSanitizer does not see reference counts.
    history = elements.prefix(cache.length).map { $0 }
  }

  func forget(after length: Int) {
    cache.truncate(to: length)
    if history.count > length { history.removeLast(history.count - length) }
  }

  /// Runs `body` with the session held exclusively, by default as a call; throws `busy` while another call runs.
  package func exclusively<T>(_ access: Gate.Access = .call, _ body: () throws(FoveaError) -> T) throws(FoveaError) -> T {
    switch gate.enter(access) {
    case .entered: if access == .call { stop.reset() }
    case .busy: throw .busy
    case .abandoned: throw .unsupported("session", "the process was forked during a call; a child makes a session of its own")
    }
    defer {
      // Under a budget, a call's scratch memory goes back to the system, since encoding the next image may need as much. Allocating it again
      // costs some percent of a small model's prefill.
      if access == .call, model.budget != nil { arena.trim(keepsFirst: true) }
      gate.leave()
    }
    return try body()
  }
}
