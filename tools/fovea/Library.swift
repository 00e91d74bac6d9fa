// SPDX-License-Identifier: Apache-2.0
import CFovea
import CheckpointFiles
import Conversion
import Images
import Shims

/// The C library as the command uses it: each class owns a handle, and statuses other than FOVEA_OK are thrown.
struct LibraryError: Error, CustomStringConvertible {
  let status: fovea_status
  let description: String

  static func check(_ status: fovea_status) throws(LibraryError) {
    if status != FOVEA_OK {
      throw LibraryError(status: status, description: String(cString: fovea_last_error(nil)))
    }
  }
}

/// A function of (done, total) as a C callback: the user pointer is the function itself. Stops the work after Ctrl-C.
struct ProgressReport {
  let report: (Int, Int) -> Void

  static let callback: fovea_progress_callback = { user, done, total in
    user?.assumingMemoryBound(to: ProgressReport.self).pointee.report(done, total)
    return Interruption.isWanted ? 1 : 0
  }
}

final class Model {
  let handle: OpaquePointer
  let info: fovea_model_info

  init(path: FilePath?, options: fovea_load_options, progress: @escaping (Int, Int) -> Void) throws(LibraryError) {
    var options = options
    var handle: OpaquePointer?
    var report = ProgressReport(report: progress)
    let status = withUnsafeMutablePointer(to: &report) { report in
      options.progress = ProgressReport.callback
      options.progress_user = UnsafeMutableRawPointer(report)
      return if let path { fovea_load(path.cString, &options, &handle) } else { fovea_load(nil, &options, &handle) }
    }
    try LibraryError.check(status)
    guard let handle else { throw LibraryError(status: fovea_status(FOVEA_ERROR_INTERNAL), description: "no model") }
    self.handle = handle
    var info = fovea_model_info()
    info.struct_size = MemoryLayout<fovea_model_info>.size
    try LibraryError.check(fovea_model_get_info(handle, &info))
    self.info = info
  }

  deinit { fovea_model_free(handle) }

  /// Names of the model's own prompt templates.
  private(set) lazy var tasks = metadata("prompt.tasks")?.array?.compactMap(\.string) ?? []

  /// Modes that text is best read in, each by itself, of which the likelier answer counts; empty: the default.
  private(set) lazy var readingModes = metadata("hires.enlarge")?.array?.compactMap(\.int).map { "\($0)%" } ?? []

  /// Whether its answers are documents in DocTags.
  private(set) lazy var writesDocTags = metadata("prompt.coordinates")?.string == "doctags"

  /// nil: there is no such key.
  private func metadata(_ key: String) -> JSONValue? {
    var length = 0
    guard fovea_model_metadata_json(handle, key, nil, 0, &length) == FOVEA_OK else { return nil }
    var bytes = [CChar](repeating: 0, count: length + 1)
    guard fovea_model_metadata_json(handle, key, &bytes, bytes.count, &length) == FOVEA_OK else { return nil }
    return try? JSONValue.parse(String(decoding: bytes.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self), file: key)
  }

  func tokenCount(_ text: String) throws(LibraryError) -> Int {
    var count = 0
    try LibraryError.check(fovea_tokenize(handle, text, text.utf8.count, nil, 0, &count))
    return count
  }

  /// The built-in model's path, or nil.
  static func builtinPath() -> FilePath? {
    var length = 0
    guard fovea_builtin_model(nil, 0, &length) == FOVEA_OK else { return nil }
    var bytes = [CChar](repeating: 0, count: length + 1)
    guard fovea_builtin_model(&bytes, bytes.count, &length) == FOVEA_OK else { return nil }
    return FilePath(bytes: bytes.prefix(length).map { UInt8(bitPattern: $0) })
  }
}

/// Calls `body` with the options of a function that encodes.
private func withEncodeOptions(
  _ reading: DecodingOptions, crop: PixelRectangle? = nil, tiles: Int32, mode: String?, deadline: Double = 0,
  progress: @escaping (Int, Int) -> Void, _ body: (UnsafePointer<fovea_encode_options>) -> fovea_status
) -> fovea_status {
  var report = ProgressReport(report: progress)
  return withUnsafeMutablePointer(to: &report) { report in
    var options = fovea_encode_options()
    options.struct_size = MemoryLayout<fovea_encode_options>.size
    if !reading.applyOrientation { options.orientation = fovea_orientation(FOVEA_ORIENTATION_STORED) }
    if let ground = reading.background {
      options.alpha = fovea_alpha(FOVEA_ALPHA_COLOUR)
      options.background = UInt32(ground.red) << 16 | UInt32(ground.green) << 8 | UInt32(ground.blue)
    } else {
      options.alpha = fovea_alpha(FOVEA_ALPHA_DROP)
    }
    if let crop {
      (options.crop_x, options.crop_y) = (Int32(clamping: crop.x), Int32(clamping: crop.y))
      (options.crop_width, options.crop_height) = (Int32(clamping: crop.width), Int32(clamping: crop.height))
    }
    options.tiles = tiles
    options.deadline_seconds = deadline
    options.progress = ProgressReport.callback
    options.progress_user = UnsafeMutableRawPointer(report)
    return withCStrings(mode.map { [$0] } ?? []) { texts in
      options.mode = mode == nil ? nil : texts[0]
      return body(&options)
    }
  }
}

final class EncodedImage {
  let handle: OpaquePointer
  let info: fovea_image_info

  /// - Parameter encode: calls one of the encode functions.
  convenience init(
    reading: DecodingOptions = DecodingOptions(), crop: PixelRectangle? = nil, tiles: Int32 = 0, mode: String? = nil, deadline: Double,
    progress: @escaping (Int, Int) -> Void,
    _ encode: (UnsafePointer<fovea_encode_options>, UnsafeMutablePointer<OpaquePointer?>) -> fovea_status
  ) throws(LibraryError) {
    var handle: OpaquePointer?
    let status = withEncodeOptions(reading, crop: crop, tiles: tiles, mode: mode, deadline: deadline, progress: progress) { encode($0, &handle) }
    try LibraryError.check(status)
    try self.init(owning: handle)
  }

  /// - Parameter handle: from the library; owned.
  init(owning handle: OpaquePointer?) throws(LibraryError) {
    guard let handle else { throw LibraryError(status: fovea_status(FOVEA_ERROR_INTERNAL), description: "no embedding") }
    self.handle = handle
    var info = fovea_image_info()
    info.struct_size = MemoryLayout<fovea_image_info>.size
    try LibraryError.check(fovea_image_embedding_get_info(handle, &info))
    self.info = info
  }

  deinit { fovea_image_embedding_release(handle) }

  /// The parts of the image that the model encoded.
  func views() throws(LibraryError) -> [fovea_image_view] {
    var found: [fovea_image_view] = []
    for i in 0..<Int(info.views) {
      var view = fovea_image_view()
      view.struct_size = MemoryLayout<fovea_image_view>.size
      try LibraryError.check(fovea_image_embedding_get_view(handle, i, &view))
      found.append(view)
    }
    return found
  }
}

final class Session {
  let handle: OpaquePointer

  init(_ model: Model) throws(LibraryError) {
    var handle: OpaquePointer?
    try LibraryError.check(fovea_session_create(model.handle, nil, &handle))
    guard let handle else { throw LibraryError(status: fovea_status(FOVEA_ERROR_INTERNAL), description: "no session") }
    self.handle = handle
  }

  deinit { fovea_session_free(handle) }

  /// The places that the last answer names. Their phrases are the session's, valid until its next answer.
  func places() throws(LibraryError) -> [fovea_place] {
    var found: [fovea_place] = []
    for i in 0..<fovea_session_place_count(handle) {
      var place = fovea_place()
      place.struct_size = MemoryLayout<fovea_place>.size
      try LibraryError.check(fovea_session_get_place(handle, i, &place))
      found.append(place)
    }
    return found
  }

  /// Log-probabilities of the last answer's tokens.
  func logProbabilities() throws(LibraryError) -> [Float] {
    var count = 0
    try LibraryError.check(fovea_session_log_probabilities(handle, nil, 0, &count))
    var values = [Float](repeating: 0, count: count)
    try LibraryError.check(fovea_session_log_probabilities(handle, &values, count, &count))
    return values
  }

  func reset() throws(LibraryError) { try LibraryError.check(fovea_session_reset(handle)) }

  /// - Parameters:
  ///   - onText: gets each piece of the answer; an error it throws ends the answer and is rethrown.
  ///   - progress: progress of the prefill.
  func generate(
    _ prompt: String, images: [EncodedImage], regions: [MarkedRegion] = [], options: fovea_generate_options,
    task: String? = nil, stops: [String] = [], constraint: (kind: Int32, text: String)? = nil,
    progress: @escaping (Int, Int) -> Void = { _, _ in }, onText: @escaping (UnsafeRawBufferPointer) throws(CommandFailure) -> Void = { _ in }
  ) throws -> (text: String, result: fovea_generate_result) {
    let handles: [OpaquePointer?] = images.map(\.handle)
    return try ask(
      regions: regions, options: options, task: task, stops: stops, constraint: constraint, progress: progress, onText: onText
    ) { options, result, text in
      fovea_generate(handle, prompt, handles, handles.count, options, result, text)
    }
  }

  /// What `fovea_read_image` takes beside a picture.
  typealias PageArguments = (
    prompt: UnsafePointer<CChar>?, encode: UnsafePointer<fovea_encode_options>, options: UnsafePointer<fovea_generate_options>,
    result: UnsafeMutablePointer<fovea_generate_result>, text: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
  )

  /// Reads a page, in parts where that suits the model.
  /// - Parameters:
  ///   - prompt: nil: the task's.
  ///   - looking: progress of each encoding.
  ///   - progress: rows of the picture that are done, and rows in all.
  ///   - call: one of the functions that read a page.
  func read(
    _ prompt: String?, task: String?, reading: DecodingOptions, tiles: Int32, mode: String?, options: fovea_generate_options,
    looking: @escaping (Int, Int) -> Void, progress: @escaping (Int, Int) -> Void, _ call: (PageArguments) -> fovea_status
  ) throws -> (text: String, result: fovea_generate_result) {
    try ask(options: options, task: task, progress: progress, onText: { _ in }) { options, result, text in
      withEncodeOptions(reading, tiles: tiles, mode: mode, progress: looking) { encode in
        withCStrings(prompt.map { [$0] } ?? []) { prompts in call((prompt == nil ? nil : prompts[0], encode, options, result, text)) }
      }
    }
  }

  /// Answers the last message of a conversation.
  /// - Parameter messages: each with its role, FOVEA_ROLE_….
  func chat(
    _ messages: [(role: Int, text: String, images: [EncodedImage])], options: fovea_generate_options,
    progress: @escaping (Int, Int) -> Void = { _, _ in }, onText: @escaping (UnsafeRawBufferPointer) throws(CommandFailure) -> Void = { _ in }
  ) throws -> (text: String, result: fovea_generate_result) {
    let images: [OpaquePointer?] = messages.flatMap { $0.images.map(\.handle) }
    return try ask(options: options, progress: progress, onText: onText) { options, result, text in
      withCStrings(messages.map(\.text)) { texts in
        images.withUnsafeBufferPointer { images in
          var place = 0
          let structures = messages.enumerated().map { i, message in
            var c = fovea_message()
            c.struct_size = MemoryLayout<fovea_message>.size
            c.role = Int32(message.role)
            c.text = texts[i]
            c.images = images.baseAddress.map { $0 + place }
            c.image_count = message.images.count
            place += message.images.count
            return c
          }
          return fovea_chat(handle, structures, structures.count, options, result, text)
        }
      }
    }
  }

  private func ask(
    regions: [MarkedRegion] = [], options: fovea_generate_options, task: String? = nil, stops: [String] = [],
    constraint: (kind: Int32, text: String)? = nil, progress: @escaping (Int, Int) -> Void,
    onText: @escaping (UnsafeRawBufferPointer) throws(CommandFailure) -> Void,
    _ call: (
      UnsafePointer<fovea_generate_options>, UnsafeMutablePointer<fovea_generate_result>, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    ) -> fovea_status
  ) throws -> (text: String, result: fovea_generate_result) {
    var options = options
    var report = ProgressReport(report: progress)
    var sink = TextSink(write: onText)
    var text: UnsafeMutablePointer<CChar>?
    var result = fovea_generate_result()
    result.struct_size = MemoryLayout<fovea_generate_result>.size
    let status = withUnsafeMutablePointer(to: &report) { report in
      withUnsafeMutablePointer(to: &sink) { sink in
        withCStrings(stops + (constraint.map { [$0.text] } ?? []) + (task.map { [$0] } ?? [])) { texts in
          options.task = task == nil ? nil : texts[texts.count - 1]
          options.constraint = constraint?.kind ?? 0
          options.constraint_text = constraint == nil ? nil : texts[stops.count]
          options.struct_size = MemoryLayout<fovea_generate_options>.size
          options.on_token = TextSink.callback
          options.on_token_user = UnsafeMutableRawPointer(sink)
          options.progress = ProgressReport.callback
          options.progress_user = UnsafeMutableRawPointer(report)
          options.stop_texts = texts.baseAddress
          options.stop_text_count = stops.count
          return regions.map(\.structure).withUnsafeBufferPointer { regions in
            options.regions = regions.baseAddress
            options.region_count = regions.count
            return call(&options, &result, &text)
          }
        }
      }
    }
    defer { fovea_string_free(text) }
    withExtendedLifetime(regions) {}
    if let failure = sink.failure { throw failure }
    try LibraryError.check(status)
    if Interruption.isWanted { throw LibraryError(status: fovea_status(FOVEA_ERROR_CANCELLED), description: "the answer was interrupted.") }
    return (text.map { String(cString: $0) } ?? "", result)
  }

  /// One of several texts as the answer, and the probability of each.
  func choose(
    _ prompt: String, images: [EncodedImage], regions: [MarkedRegion], among choices: [String], options: fovea_generate_options, task: String?
  ) throws(LibraryError) -> (index: Int, probabilities: [Double]) {
    var probabilities = [Double](repeating: 0, count: choices.count)
    var index = 0
    var options = options
    let handles: [OpaquePointer?] = images.map(\.handle)
    let status = withCStrings(choices + (task.map { [$0] } ?? [])) { texts in
      options.struct_size = MemoryLayout<fovea_generate_options>.size
      options.task = task == nil ? nil : texts[texts.count - 1]
      options.progress = ProgressReport.callback
      return regions.map(\.structure).withUnsafeBufferPointer { regions in
        options.regions = regions.baseAddress
        options.region_count = regions.count
        return fovea_choose(
          handle, prompt, handles, handles.count, &options, texts.baseAddress, choices.count, &probabilities, &index)
      }
    }
    withExtendedLifetime(regions) {}
    try LibraryError.check(status)
    return (index, probabilities)
  }

  /// Log-probability of each text as the beginning of the answer: the sum over its tokens.
  func score(
    _ prompt: String, images: [EncodedImage], continuations: [String], task: String? = nil
  ) throws(LibraryError) -> [Double] {
    var scores = [Double](repeating: 0, count: continuations.count)
    let handles: [OpaquePointer?] = images.map(\.handle)
    let status = withCStrings(continuations + (task.map { [$0] } ?? [])) { texts in
      var options = fovea_generate_options()
      options.struct_size = MemoryLayout<fovea_generate_options>.size
      options.task = task == nil ? nil : texts[texts.count - 1]
      options.progress = ProgressReport.callback
      return fovea_score(
        handle, prompt, handles, handles.count, &options, texts.baseAddress, continuations.count, &scores)
    }
    try LibraryError.check(status)
    return scores
  }
}

private struct TextSink {
  let write: (UnsafeRawBufferPointer) throws(CommandFailure) -> Void
  var failure: CommandFailure?

  static let callback: fovea_token_callback = { user, _, text, length in
    guard let sink = user?.assumingMemoryBound(to: TextSink.self) else { return 1 }
    do throws(CommandFailure) { try sink.pointee.write(UnsafeRawBufferPointer(start: text, count: length)) } catch {
      sink.pointee.failure = error
      return 1
    }
    return Interruption.isWanted ? 1 : 0
  }
}

private func withCStrings<Result>(
  _ texts: [String], _ body: (UnsafeBufferPointer<UnsafePointer<CChar>?>) -> Result
) -> Result {
  let copies = texts.map { strdup($0) }
  defer { copies.forEach { free($0) } }
  return copies.map { UnsafePointer($0) }.withUnsafeBufferPointer(body)
}
