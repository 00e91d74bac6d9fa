// SPDX-License-Identifier: Apache-2.0
import CFovea
import Constraints
import Decoders
import Families
import Generation
import Regions
import Runtime
import Shims

@c @implementation
public func fovea_generate(
  _ session: OpaquePointer?, _ prompt: UnsafePointer<CChar>?, _ images: UnsafePointer<OpaquePointer?>?, _ imageCount: Int,
  _ options: UnsafePointer<fovea_generate_options>?, _ result: UnsafeMutablePointer<fovea_generate_result>?,
  _ text: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> fovea_status {
  text?.pointee = nil
  return answering(session, result) { (handle) throws(FoveaError) in
    let arguments = Arguments(prompt: prompt, images: images, imageCount: imageCount, options: options)
    let answer = try run(arguments, on: handle, most: Int.max)
    try handle.keep(answer)
    if let text { text.pointee = try allocateText(answer.text) }
    try report(answer, to: result)
  }
}

@c @implementation
public func fovea_generate_ids(
  _ session: OpaquePointer?, _ prompt: UnsafePointer<CChar>?, _ images: UnsafePointer<OpaquePointer?>?, _ imageCount: Int,
  _ options: UnsafePointer<fovea_generate_options>?, _ result: UnsafeMutablePointer<fovea_generate_result>?,
  _ ids: UnsafeMutablePointer<Int32>?, _ capacity: Int, _ count: UnsafeMutablePointer<Int>?
) -> fovea_status {
  count?.pointee = 0
  return answering(session, result) { (handle) throws(FoveaError) in
    let count = try required(count, "count")
    guard ids != nil || capacity == 0 else { throw .argument("ids", "NULL was given with a capacity of \(capacity).") }
    let arguments = Arguments(prompt: prompt, images: images, imageCount: imageCount, options: options)
    // A capacity above Int.max arrives as a negative number: unlimited.
    let answer = try run(arguments, on: handle, most: capacity < 0 ? Int.max : capacity)
    try handle.keep(answer)
    try deliver(answer.ids, into: ids, capacity: capacity, "ids")
    count.pointee = answer.ids.count
    try report(answer, to: result)
  }
}

@c @implementation
public func fovea_logits(
  _ session: OpaquePointer?, _ prompt: UnsafePointer<CChar>?, _ images: UnsafePointer<OpaquePointer?>?, _ imageCount: Int,
  _ options: UnsafePointer<fovea_generate_options>?, _ logits: UnsafeMutablePointer<UnsafePointer<Float>?>?,
  _ positions: UnsafeMutablePointer<Int>?, _ vocabSize: UnsafeMutablePointer<Int>?
) -> fovea_status {
  logits?.pointee = nil
  positions?.pointee = 0
  vocabSize?.pointee = 0
  return withSession(session) { (handle) throws(FoveaError) in
    let logits = try required(logits, "logits")
    let positions = try required(positions, "positions")
    let vocabSize = try required(vocabSize, "vocab_size")
    let arguments = Arguments(prompt: prompt, images: images, imageCount: imageCount, options: options)
    positions.pointee = try computeLogits(arguments, on: handle)
    vocabSize.pointee = handle.model.system.decoder.vocabSize
    logits.pointee = UnsafePointer(handle.logits)
  }
}

@c @implementation
public func fovea_score(
  _ session: OpaquePointer?, _ prompt: UnsafePointer<CChar>?, _ images: UnsafePointer<OpaquePointer?>?, _ imageCount: Int,
  _ options: UnsafePointer<fovea_generate_options>?, _ continuations: UnsafePointer<UnsafePointer<CChar>?>?, _ count: Int,
  _ scores: UnsafeMutablePointer<Double>?
) -> fovea_status {
  clear(scores, continuations == nil ? 0 : count)
  return withSession(session) { (handle) throws(FoveaError) in
    let arguments = Arguments(prompt: prompt, images: images, imageCount: imageCount, options: options)
    let found = try score(arguments, try buffer(continuations, count: count, "continuations"), on: handle)
    guard found.isEmpty || scores != nil else { throw .argument("scores", "NULL was given.") }
    for (i, value) in found.enumerated() { scores?[i] = value }
  }
}

@c @implementation
public func fovea_choose(
  _ session: OpaquePointer?, _ prompt: UnsafePointer<CChar>?, _ images: UnsafePointer<OpaquePointer?>?, _ imageCount: Int,
  _ options: UnsafePointer<fovea_generate_options>?, _ choices: UnsafePointer<UnsafePointer<CChar>?>?, _ count: Int,
  _ probabilities: UnsafeMutablePointer<Double>?, _ choice: UnsafeMutablePointer<Int>?
) -> fovea_status {
  choice?.pointee = 0
  clear(probabilities, choices == nil ? 0 : count)
  return withSession(session) { (handle) throws(FoveaError) in
    let choice = try required(choice, "choice")
    let arguments = Arguments(prompt: prompt, images: images, imageCount: imageCount, options: options)
    let found = try choose(arguments, try buffer(choices, count: count, "choices"), on: handle)
    for (i, value) in found.probabilities.enumerated() { probabilities?[i] = value }
    choice.pointee = found.index
  }
}

@c @implementation
public func fovea_chat(
  _ session: OpaquePointer?, _ messages: UnsafePointer<fovea_message>?, _ count: Int, _ options: UnsafePointer<fovea_generate_options>?,
  _ result: UnsafeMutablePointer<fovea_generate_result>?, _ text: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> fovea_status {
  text?.pointee = nil
  return answering(session, result) { (handle) throws(FoveaError) in
    let arguments = Arguments(messages: messages, messageCount: count, options: options)
    let answer = try run(arguments, on: handle, most: Int.max)
    try handle.keep(answer)
    if let text { text.pointee = try allocateText(answer.text) }
    try report(answer, to: result)
  }
}

/// Unchecked arguments that the calls share: a prompt with its images, or a conversation.
private struct Arguments {
  var prompt: UnsafePointer<CChar>?
  var images: UnsafePointer<OpaquePointer?>?
  var imageCount = 0
  var messages: UnsafePointer<fovea_message>?
  /// nil: a prompt.
  var messageCount: Int?
  let options: UnsafePointer<fovea_generate_options>?
}

@inline(never)
private func withSession(
  _ session: OpaquePointer?, _ body: (SessionHandle) throws(FoveaError) -> Void
) -> fovea_status {
  status { () throws(FoveaError) in
    let handle: SessionHandle = try object(session, "session")
    try handle.exclusively { () throws(FoveaError) in try body(handle) }
  }
}

/// `withSession` for a call that answers: nothing is left of the answer before it.
func answering(
  _ session: OpaquePointer?, _ result: UnsafeMutablePointer<fovea_generate_result>?, _ body: (SessionHandle) throws(FoveaError) -> Void
) -> fovea_status {
  // A wrong size is an error below, of the session, too.
  if let result { try? write(fovea_generate_result(), to: result, first: FirstSize.generateResult, "result") }
  return withSession(session) { (handle) throws(FoveaError) in
    handle.forgetAnswers()
    if let result { _ = try structSize(UnsafeRawPointer(result), first: FirstSize.generateResult, "result") }
    try body(handle)
  }
}

/// A caller's list of results is 0 until there are some.
private func clear(_ values: UnsafeMutablePointer<Double>?, _ count: Int) {
  // What makes no sense is refused below.
  guard count >= 0, count <= Int.max / MemoryLayout<Double>.stride else { return }
  values?.update(repeating: 0, count: count)
}

@inline(never)
private func run(_ arguments: Arguments, on handle: SessionHandle, most: Int) throws(FoveaError) -> GenerateResult {
  let question = try Question(arguments, handle, most: most)
  let onToken = tokenCallback(question.callback, question.user)
  let answer = try handle.session.answer(question.request, options: question.remaining(), onToken: onToken)
  try requireMemoryOfCall()
  return answer
}

/// The host's callback, which may be NULL, as the library's functions take it: true goes on.
func tokenCallback(_ callback: fovea_token_callback?, _ user: UnsafeMutableRawPointer?) -> (Int32, [UInt8]) -> Bool {
  guard let callback else { return { _, _ in true } }
  return { id, text in
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: text.count + 1) { piece in
      guard let base = piece.baseAddress else { return false }
      copy(text, to: base)
      return callback(user, id, base, text.count) == 0
    }
  }
}

/// Fills `handle.logits`; returns its rows.
@inline(never)
private func computeLogits(_ arguments: Arguments, on handle: SessionHandle) throws(FoveaError) -> Int {
  let question = try Question(arguments, handle, most: 0)
  var rows = 0
  try handle.session.allLogits(question.request, options: question.remaining()) { (values, count) throws(FoveaError) in
    try handle.keepLogits(values)
    rows = count
  }
  try requireMemoryOfCall()
  return rows
}

@inline(never)
private func score(
  _ arguments: Arguments, _ continuations: UnsafeBufferPointer<UnsafePointer<CChar>?>, on handle: SessionHandle
) throws(FoveaError) -> [Double] {
  let question = try Question(arguments, handle, most: 0)
  let texts = try question.texts(continuations, "continuations")
  let scores = try handle.session.scores(question.request, continuations: texts, options: question.remaining())
  try requireMemoryOfCall()
  return scores
}

@inline(never)
private func choose(
  _ arguments: Arguments, _ choices: UnsafeBufferPointer<UnsafePointer<CChar>?>, on handle: SessionHandle
) throws(FoveaError) -> (index: Int, probabilities: [Double]) {
  let question = try Question(arguments, handle, most: 0)
  let texts = try question.texts(choices, "choices")
  let found = try handle.session.choice(question.request, among: texts, options: question.remaining())
  try requireMemoryOfCall()
  return found
}

/// The same arguments, checked and copied.
private struct Question {
  let request: Request
  let callback: fovea_token_callback?
  let user: UnsafeMutableRawPointer?
  private var options: GenerateOptions
  private let end: UInt64?
  /// The session's, so that a cancellation or the deadline ends copying, too.
  private let stop: StopSignal

  init(_ arguments: Arguments, _ handle: SessionHandle, most: Int) throws(FoveaError) {
    let c = try generateOptions(arguments.options)
    // The deadline counts from the start of the call: copying masks may take a while.
    stop = handle.session.stop
    if let seconds = try deadline(c.deadline_seconds) { stop.stop(after: seconds) }
    end = stop.deadline
    let room = MaskRoom(handle.model)
    let regions = try Fovea.regions(c.regions, count: c.region_count, "options.regions", room, stop)
    if let count = arguments.messageCount {
      guard regions.isEmpty else { throw .argument("options.regions", "those of a conversation stand with its messages.") }
      request = .conversation(try messages(arguments.messages, count: count, handle.model, room, stop))
    } else {
      let prompt = try copied(text(arguments.prompt, "prompt"))
      let images = try embeddings(arguments.images, count: arguments.imageCount, handle.model, "images")
      request = .prompt(prompt, images: images, regions: regions)
    }
    options = try Fovea.options(c, most: most, vocabulary: handle.model.system.decoder.vocabSize, stop)
    (callback, user) = (c.on_token, c.on_token_user)
  }

  /// Copies a caller's texts; throws at the deadline.
  func texts(_ given: UnsafeBufferPointer<UnsafePointer<CChar>?>, _ name: StaticString) throws(FoveaError) -> [[UInt8]] {
    try Fovea.texts(given, name, stop)
  }

  /// The options, with the time that is left as the deadline.
  func remaining() -> GenerateOptions {
    var options = options
    if let end {
      let now = StopSignal.now
      options.deadlineSeconds = end > now ? Double(end - now) * 1e-9 : 1e-9
    }
    return options
  }
}

func generateOptions(
  _ given: UnsafePointer<fovea_generate_options>?
) throws(FoveaError) -> fovea_generate_options {
  var c = fovea_generate_options()
  try read(given, into: &c, first: FirstSize.generateOptions, "options")
  try requireZero(c.reserved)
  try requireZero(c.reserved2, "options.reserved2")
  return c
}

func options(_ c: fovea_generate_options, most: Int, vocabulary: Int, _ stop: StopSignal) throws(FoveaError) -> GenerateOptions {
  var options = GenerateOptions()
  let asked = try count(c.max_tokens, "options.max_tokens")
  options.maxTokens = min(most, asked == 0 ? Int.max : asked)
  options.temperature = try number(c.temperature, "options.temperature")
  options.topK = try count(c.top_k, "options.top_k")
  options.topP = try number(c.top_p, zeroMeans: 1, "options.top_p")
  guard options.topP <= 1 else { throw .argument("options.top_p", "is \(c.top_p), must not be above 1.") }
  try readSampling(c, into: &options, vocabulary: vocabulary)
  options.seed = c.seed
  options.ignoresEnd = c.ignore_eos != 0
  options.isRaw = c.raw != 0
  if c.task != nil { options.task = Array(try text(c.task, "options.task")) }
  let least = try count(c.min_tokens, "options.min_tokens")
  options.minTokens = least == 0 ? nil : least
  guard c.ngram_ban >= -1, c.ngram_ban != 1 else { throw .argument("options.ngram_ban", "is \(c.ngram_ban), must be -1, 0 or at least 2.") }
  options.ngramBan = c.ngram_ban == 0 ? nil : max(Int(c.ngram_ban), 0)
  options.ngramWindow = try count(c.ngram_window, "options.ngram_window")
  options.loopTokens = try count(c.loop_tokens, "options.loop_tokens")
  guard options.loopTokens == 0 || options.loopTokens >= 8 else {
    throw .argument("options.loop_tokens", "is \(c.loop_tokens), must be 0 or at least 8.")
  }
  if c.draft_tokens != 0 { options.draftTokens = max(0, Int(c.draft_tokens)) }
  options.constraint = try constraint(c)
  switch Int(c.overflow) {
  case FOVEA_OVERFLOW_REFUSE: options.overflow = .refuse
  case FOVEA_OVERFLOW_DROP_OLDEST: options.overflow = .dropOldest
  default: throw .argument("options.overflow", "is \(c.overflow), should be one of FOVEA_OVERFLOW_….")
  }
  options.deadlineSeconds = try deadline(c.deadline_seconds)
  options.progress = Progress(c.progress, c.progress_user).closure
  options.stops = try texts(buffer(c.stop_texts, count: c.stop_text_count, "options.stop_texts"), "options.stop_texts", stop)
  guard options.stops.allSatisfy({ !$0.isEmpty }) else { throw .argument("options.stop_texts", "one of them is empty.") }
  return options
}

private func constraint(_ c: fovea_generate_options) throws(FoveaError) -> AnswerConstraint? {
  let kind: Constraint.Kind
  switch Int(c.constraint) {
  case FOVEA_CONSTRAINT_NONE:
    guard c.constraint_text == nil else { throw .argument("options.constraint", "is 0, but there is a constraint_text.") }
    return nil
  case FOVEA_CONSTRAINT_JSON_SCHEMA: kind = .jsonSchema
  case FOVEA_CONSTRAINT_REGEX: kind = .regularExpression
  case FOVEA_CONSTRAINT_GRAMMAR: kind = .grammar
  default: throw .argument("options.constraint", "is \(c.constraint), must be one of FOVEA_CONSTRAINT_….")
  }
  return AnswerConstraint(kind, try copied(text(c.constraint_text, "options.constraint_text")))
}

private func texts(
  _ given: UnsafeBufferPointer<UnsafePointer<CChar>?>, _ name: StaticString, _ stop: StopSignal
) throws(FoveaError) -> [[UInt8]] {
  var found = try list(of: [UInt8].self, count: given.count)
  var bytes = 0
  for pointer in given {
    let text = try text(pointer, name)
    bytes += text.count
    try requireLength(bytes, name)
    found.append(try copied(text))
    try check(stop)
  }
  return found
}

/// A finite number, not negative.
func number(_ value: Float, zeroMeans zero: Float = 0, _ name: StaticString) throws(FoveaError) -> Float {
  guard value >= 0, value.isFinite else { throw .argument("\(name)", "is \(value), must be a number of at least 0.") }
  return value == 0 ? zero : value
}

func report(
  _ answer: GenerateResult, to result: UnsafeMutablePointer<fovea_generate_result>?
) throws(FoveaError) {
  guard let result else { return }
  var c = fovea_generate_result()
  c.stop_reason = answer.stopReason.rawValue
  c.prompt_tokens = int32(answer.promptTokens)
  c.reused_tokens = int32(answer.reusedTokens)
  c.drafted_tokens = int32(answer.draftedTokens)
  c.accepted_tokens = int32(answer.acceptedTokens)
  c.generated_tokens = int32(answer.ids.count)
  c.dropped_messages = int32(answer.droppedMessages)
  c.prefill_seconds = answer.prefillSeconds
  c.decode_seconds = answer.decodeSeconds
  c.text_length = answer.text.count
  c.image = int32(answer.image)
  try write(c, to: result, first: FirstSize.generateResult, "result")
}

/// A copy for the host, to be released with `fovea_string_free`.
func allocateText(_ text: [UInt8]) throws(FoveaError) -> UnsafeMutablePointer<CChar> {
  guard let memory = malloc(text.count + 1)?.assumingMemoryBound(to: CChar.self) else {
    throw .outOfMemory("text", bytes: text.count + 1)
  }
  copy(text, to: memory)
  return memory
}
