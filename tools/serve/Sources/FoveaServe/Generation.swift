// SPDX-License-Identifier: Apache-2.0
import CFovea

/// Receives an answer's tokens on the thread that generates them.
private final class TokenListener {
  let job: Job
  let heard: (String) -> Void
  private var scalars = 0
  /// For each token, the Unicode scalars of the text up to its end.
  private(set) var ends: [Int] = []

  init(job: Job, heard: @escaping (String) -> Void) { (self.job, self.heard) = (job, heard) }

  func hear(_ text: UnsafePointer<CChar>?, _ length: Int) -> Int32 {
    if let text, length > 0 {
      let piece = String(decoding: UnsafeRawBufferPointer(start: text, count: length), as: UTF8.self)
      scalars += piece.unicodeScalars.count
      heard(piece)
    }
    ends.append(scalars)
    return job.stopped == nil ? 0 : 1
  }
}

/// Calls of the library for one request, on a worker's thread.
struct Generation {
  let job: Job
  let worker: WorkerSession

  private static let progress: fovea_progress_callback = { user, _, _ in
    guard let user else { return 0 }
    return Unmanaged<Job>.fromOpaque(user).takeUnretainedValue().stopped == nil ? 0 : 1
  }

  /// The vectors of a picture, encoded now or cached.
  func encode(_ source: PictureSource) throws(LibraryFailure) -> EncodedPicture {
    if let known = worker.pictures[source.key] { return known }
    var options = fovea_encode_options()
    options.struct_size = MemoryLayout<fovea_encode_options>.size
    options.deadline_seconds = job.secondsLeft
    options.progress = Self.progress
    options.progress_user = Unmanaged.passUnretained(job).toOpaque()
    func once() -> (fovea_status, OpaquePointer?) {
      var out: OpaquePointer?
      let status = source.bytes.withUnsafeBytes { fovea_encode_image_bytes(worker.model.pointer, $0.baseAddress, $0.count, &options, &out) }
      return (status, out)
    }
    var (status, pointer) = once()
    if status == fovea_status(FOVEA_ERROR_MEMORY), worker.pictures.bytes > 0 {
      worker.pictures.removeAll()
      (status, pointer) = once()
    }
    try LibraryFailure.check(status)
    guard let pointer else { throw LibraryFailure(status: FOVEA_ERROR_INTERNAL, "no image") }
    let picture = EncodedPicture(pointer)
    worker.pictures.add(picture, key: source.key)
    return picture
  }

  /// Answers a conversation. `heard` gets the first answer's text as it is generated.
  func answer(
    _ messages: [ChatMessage], pictures sources: [PictureSource], settings: GenerationSettings, heard: @escaping (String) -> Void
  ) throws(LibraryFailure) -> AnswerSet {
    let clock = ContinuousClock()
    var set = AnswerSet()
    set.queueSeconds = (clock.now - job.since) / .seconds(1)
    let start = clock.now
    var pictures: [EncodedPicture] = []
    for source in sources { pictures.append(try encode(source)) }
    set.encodeSeconds = (clock.now - start) / .seconds(1)
    set.pictures = pictures.map(\.json)

    let memory = CMemory()
    let listener = TokenListener(job: job, heard: heard)
    var options = Self.options(settings, memory)
    options.deadline_seconds = job.secondsLeft
    options.progress = Self.progress
    options.progress_user = Unmanaged.passUnretained(job).toOpaque()
    options.on_token = { user, _, text, length in
      guard let user else { return 0 }
      return Unmanaged<TokenListener>.fromOpaque(user).takeUnretainedValue().hear(text, length)
    }
    options.on_token_user = Unmanaged.passUnretained(listener).toOpaque()

    var result = fovea_generate_result()
    result.struct_size = MemoryLayout<fovea_generate_result>.size
    let status: fovea_status = withExtendedLifetime((memory, listener, pictures)) {
      if let task = settings.task, let message = messages.last {
        options.task = memory.text(task)
        let regions = Self.regions(message.regions, memory)
        options.regions = memory.array(regions)
        options.region_count = regions.count
        let images = memory.array(pictures.map { Optional($0.pointer) })
        return fovea_generate(worker.session, message.text, images, pictures.count, &options, &result, nil)
      }
      let all = messages.map { Self.message($0, pictures, memory) }
      return fovea_chat(worker.session, memory.array(all), all.count, &options, &result, nil)
    }
    if job.stopped != nil { throw LibraryFailure(status: FOVEA_ERROR_CANCELLED, "stopped") }
    try LibraryFailure.check(status, session: worker.session)
    (set.promptTokens, set.cachedTokens) = (Int(result.prompt_tokens), Int(result.reused_tokens))
    (set.prefillSeconds, set.decodeSeconds) = (result.prefill_seconds, result.decode_seconds)
    set.answers = try answers(settings)
    set.places = places(listener.ends)
    return set
  }

  private static func options(_ settings: GenerationSettings, _ memory: CMemory) -> fovea_generate_options {
    var options = fovea_generate_options()
    options.struct_size = MemoryLayout<fovea_generate_options>.size
    options.max_tokens = Int32(settings.maxTokens)
    options.temperature = settings.temperature
    options.top_k = Int32(settings.topK)
    options.top_p = settings.topP
    options.min_p = settings.minP
    options.repetition_penalty = settings.repetitionPenalty
    options.frequency_penalty = settings.frequencyPenalty
    options.presence_penalty = settings.presencePenalty
    options.seed = settings.seed
    options.answers = Int32(settings.answers)
    options.logprobs = Int32(settings.topLogprobs.map { max($0, 1) } ?? 0)
    options.stop_texts = memory.texts(settings.stops)
    options.stop_text_count = settings.stops.count
    options.constraint = Int32(settings.constraint)
    options.constraint_text = settings.constraintText.flatMap { memory.text($0) }
    options.logit_biases = memory.array(settings.biases.map { fovea_logit_bias(id: $0.id, bias: $0.bias) })
    options.logit_bias_count = settings.biases.count
    return options
  }

  private static func regions(_ sources: [RegionSource], _ memory: CMemory) -> [fovea_region] {
    sources.map { source in
      var region = fovea_region()
      region.struct_size = MemoryLayout<fovea_region>.size
      region.kind = Int32(source.kind)
      region.image = Int32(source.image)
      if source.kind == FOVEA_REGION_POINT || source.kind == FOVEA_REGION_BOX {
        (region.x1, region.y1) = (source.points[0], source.points[1])
        if source.kind == FOVEA_REGION_BOX { (region.x2, region.y2) = (source.points[2], source.points[3]) }
      } else {
        region.vertices = memory.array(source.points)
        region.vertex_count = source.points.count / 2
        region.radius = source.radius
      }
      return region
    }
  }

  private static func message(_ source: ChatMessage, _ pictures: [EncodedPicture], _ memory: CMemory) -> fovea_message {
    var message = fovea_message()
    message.struct_size = MemoryLayout<fovea_message>.size
    message.role = Int32(source.role)
    message.text = memory.text(source.text)
    message.images = memory.array(source.pictures.map { Optional(pictures[$0].pointer) })
    message.image_count = source.pictures.count
    message.regions = memory.array(regions(source.regions, memory))
    message.region_count = source.regions.count
    return message
  }

  private func answers(_ settings: GenerationSettings) throws(LibraryFailure) -> [AnswerText] {
    var answers: [AnswerText] = []
    for index in 0..<fovea_session_answer_count(worker.session) {
      var answer = fovea_answer()
      answer.struct_size = MemoryLayout<fovea_answer>.size
      try LibraryFailure.check(fovea_session_get_answer(worker.session, index, &answer), session: worker.session)
      let text = String(decoding: UnsafeRawBufferPointer(start: answer.text, count: answer.text_length), as: UTF8.self)
      let tokens: [AnswerToken]? = settings.topLogprobs.map { top in
        (0..<answer.id_count).map { i in
          let columns = Int(answer.top_count)
          let likeliest = (0..<min(top, columns)).compactMap { column -> (text: String, logProbability: Double)? in
            guard let ids = answer.top_ids, let values = answer.top_log_probabilities else { return nil }
            return (worker.model.text(of: ids[i * columns + column]), Double(values[i * columns + column]))
          }
          return AnswerToken(
            text: worker.model.text(of: answer.ids[i]), logProbability: answer.log_probabilities.map { Double($0[i]) } ?? -.infinity,
            top: likeliest)
        }
      }
      answers.append(AnswerText(text: text, stopReason: Int(answer.stop_reason), tokenCount: answer.id_count, tokens: tokens))
    }
    return answers
  }

  /// - Parameter ends: end of each token in the first answer's text.
  private func places(_ ends: [Int]) -> [AnswerPlace] {
    (0..<fovea_session_place_count(worker.session)).compactMap { index in
      var place = fovea_place()
      place.struct_size = MemoryLayout<fovea_place>.size
      guard fovea_session_get_place(worker.session, index, &place) == fovea_status(FOVEA_OK) else { return nil }
      let (first, count) = (Int(place.first_token), Int(place.tokens))
      func end(_ token: Int) -> Int { ends.isEmpty || token < 0 ? 0 : ends[min(token, ends.count - 1)] }
      return AnswerPlace(
        x1: place.x1, y1: place.y1, x2: place.x2, y2: place.y2, isPoint: place.is_point != 0,
        phrase: place.phrase.map { String(cString: $0) } ?? "", logProbability: place.log_probability, start: end(first - 1),
        end: end(first + count - 1))
    }
  }
}
