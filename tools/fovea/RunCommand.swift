// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CFovea
import DocTags
import Images
import Shims

struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Answer a prompt about images.",
    discussion: """
      The answer goes to standard output while it is made. Where the prompt holds <image> marks, each takes the next image; \
      otherwise the images stand where the model's chat template puts them. With --pages, and for PDF files, the prompt is asked \
      about each page by itself, one after another; a page that cannot be read is named and passed over, and the exit status is then 65. \
      Each <region> mark takes the next --box, --point or --mask. Exit status: \(ExitStatus.list).
      """
  )

  @OptionGroup var model: ModelOptions

  @Option(
    name: [.short, .customLong("image")], parsing: .upToNextOption,
    help: """
      PNG or JPEG files, folders of them, pipes, - for standard input; or PDF files, where pdfinfo and pdftoppm (poppler-utils) are \
      installed. May be repeated.
      """, completion: .file())
  var image: [FilePath] = []

  @Option(
    name: [.short, .customLong("prompt")], parsing: .unconditional, help: "The question, - for standard input. Some tasks take none.",
    transform: validText)
  var prompt = ""

  @Option(help: "One of the model's own forms of a prompt, such as caption; fovea inspect lists them as prompt.tasks.", transform: validText)
  var task: String?

  @OptionGroup var regions: RegionOptions

  @Flag(help: "Each image is a page: ask about one after another and write the answers in their order.")
  var pages = false

  @Option(
    help: """
      How answers about pages are put together: text, markdown (without it), latex; of models that answer in DocTags also doctags (without it), \
      html and json, and markdown converts them.
      """)
  var outputFormat: PageFormat?

  @Option(name: .customLong("dpi"), help: "Dots per inch that pages of PDF files are drawn with.")
  var dotsPerInch = 200

  @OptionGroup var views: ViewOptions

  @Flag(help: "Use the prompt as it is, without the model's chat template.")
  var raw = false

  @OptionGroup var pictures: PictureOptions

  @OptionGroup var constraints: ConstraintOptions

  @Option(parsing: .unconditional, help: "Most tokens to make; without it until the answer ends or the context is full.")
  var maxTokens: Int32?

  @Option(parsing: .unconditional, help: "0 takes the likeliest token, more chooses at random.")
  var temperature: Float = 0

  @Option(parsing: .unconditional, help: "Choose among the K likeliest tokens; 0 takes all.")
  var topK: Int32 = 0

  @Option(parsing: .unconditional, help: "Choose among the likeliest tokens that together have this probability.")
  var topP: Float = 1

  @Option(parsing: .unconditional, help: "Above 1 makes tokens that already occurred less likely.")
  var repetitionPenalty: Float = 1

  @Option(parsing: .unconditional, help: "No run of this many tokens may occur twice; 0 allows all. Without it as the model's template says.")
  var ngramBan: Int32?

  @Option(parsing: .unconditional, help: "Only runs within the last so many tokens count for --ngram-ban; 0 takes all.")
  var ngramWindow: Int32 = 0

  @Option(
    parsing: .unconditional, help: "End the answer when its last so many tokens are one piece four times or more; 0 never. Without it 300 for pages.")
  var loopTokens: Int32?

  @OptionGroup var beams: BeamOptions

  @Option(parsing: .unconditional, help: "Seed of the random choices.")
  var seed: UInt64 = 0

  @Option(parsing: .unconditionalSingleValue, help: "End the answer before this text; may be repeated.", transform: validText)
  var stop: [String] = []

  @Flag(help: "Go on past the end-of-answer token.")
  var ignoreEos = false

  @Flag(help: "Ask about the image at each size that the model names (hires.enlarge in fovea inspect), and give the likeliest answer, as a whole.")
  var eachSize = false

  @Option(parsing: .unconditional, help: "Seconds allowed for each image and for the answer.")
  var deadline: Double?

  @Option(parsing: .unconditional, help: "Find all WORDS in the image: the model's task find.", transform: validText)
  var find: String?

  @Flag(help: "Find everything in the image, in raster order: the model's task detect.")
  var detect = false

  @Option(help: "Write the first image as PNG with the slices, the regions asked about and the places of the answer painted on it.")
  var draw: FilePath?

  @Flag(help: "Print one JSON object with the answer and figures instead of the answer.")
  var json = false

  func validate() throws {
    if (prompt.isEmpty && task == nil ? 0 : 1) + (find == nil ? 0 : 1) + (detect ? 1 : 0) > 1 || find != nil && raw || detect && raw {
      throw ValidationError("--prompt or --task, --find, --detect and --raw exclude each other.")
    }
    if eachSize, !regions.isEmpty || !constraints.choices.isEmpty || views.mode != nil || views.tiles != 0 {
      throw ValidationError("--each-size is not for regions, --choices, --mode and --tiles.")
    }
    if draw != nil, image.isEmpty { throw ValidationError("--draw needs an image.") }
    if draw?.text == "-" { throw ValidationError("--draw: standard output is for the answer; name a file.") }
    if find?.isEmpty == true { throw ValidationError("--find needs words.") }
    if prompt.isEmpty, task == nil, find == nil, !detect { throw ValidationError("Give a question with --prompt, or a --task that takes none.") }
    if raw, task != nil { throw ValidationError("--raw and --task exclude each other.") }
    if let maxTokens, maxTokens < 1 { throw ValidationError("--max-tokens must be at least 1.") }
    if let deadline, !(deadline > 0) { throw ValidationError("--deadline must be above 0.") }
    if !(1...2400).contains(dotsPerInch) { throw ValidationError("--dpi must be 1 to 2400.") }
    if beams.count > 1, temperature != 0 || constraints.isGiven { throw ValidationError("--beams is not for --temperature and constraints.") }
    if !constraints.choices.isEmpty, pages || draw != nil { throw ValidationError("--choices is not for pages and --draw.") }
    if draw != nil, pages { throw ValidationError("--draw paints on one image, not on pages.") }
    if pages, image.isEmpty { throw ValidationError("--pages needs images.") }
    if image.filter(\.isStandardInput).count + (prompt == "-" ? 1 : 0) > 1 {
      throw ValidationError("Only one of the prompt and the images can come from standard input.")
    }
  }

  func run() throws {
    let question = try find ?? promptText()
    let list = try PictureList(image, dotsPerInch: dotsPerInch)
    let others = [constraints.jsonSchema, constraints.grammar, model.file]
    try requireSeparate([draw], from: list.files, regions.masks.map { $0.value.path }, others)
    if !pages, !list.hasPages { return try answer(question, list.pictures) }
    if draw != nil { throw ValidationError("--draw paints on one image, not on pages.") }
    try answerPages(question, list.pictures)
  }

  /// The task that the options choose, directly or not.
  var chosenTask: String? { find != nil ? "find" : detect ? "detect" : task }

  private func answer(_ question: String, _ pictures: [Picture]) throws {
    if eachSize, pictures.count != 1 { throw ValidationError("--each-size is for one image.") }
    let progress = ProgressLine()
    let started = monotonic_nanoseconds()
    let model = try model.load(progress)
    let loaded = monotonic_nanoseconds()
    let format = try isConverted(model) ? outputFormat : nil
    let encodings = try pictures.enumerated().flatMap {
      try encode($1, pictures.count == 1 ? "encoding the image" : "encoding image \($0 + 1) of \(pictures.count)", model, progress)
    }
    let encoded = monotonic_nanoseconds()

    let session = try Session(model)
    let asked = try regions.regions(of: encodings.first)
    if !constraints.choices.isEmpty { return try choose(question, session, encodings, asked, progress) }
    let (text, result) = try session.generate(
      question, images: encodings, regions: asked, options: generateOptions(), task: chosenTask, stops: stop, constraint: constraints.constraint(),
      progress: { progress.show("reading the prompt", $0, $1) },
      onText: { [json] (piece) throws(CommandFailure) in
        progress.clear()
        if !json, format == nil { try writeToStandardOutput(piece) }
      })
    progress.clear()
    if !json, let format {
      if format == .html { try writeToStandardOutput(format.beginning) }
      try writeToStandardOutput(format.text(text))
      if format == .html { try writeToStandardOutput(String(format.end.dropLast())) }
    }
    let images = eachSize ? [encodings[Int(result.image)]] : encodings
    let places = try session.places()
    if let draw, let picture = pictures.first, let image = images.first { try paint(places, asked, picture, image, to: draw) }
    guard json else { return try writeToStandardOutput("\n") }
    let seconds: JSON = [
      "load": .rounded(Double(loaded &- started) / 1e9), "encode": .rounded(Double(encoded &- loaded) / 1e9),
      "prefill": .rounded(result.prefill_seconds), "decode": .rounded(result.decode_seconds),
    ]
    let report: JSON = [
      "text": .string(text), "stop_reason": .string(stopReasonName(result.stop_reason)),
      "prompt_tokens": .int(result.prompt_tokens), "generated_tokens": .int(result.generated_tokens),
      "drafted_tokens": .int(result.drafted_tokens), "accepted_tokens": .int(result.accepted_tokens),
      "seconds": seconds, "images": .array(zip(pictures, images).map(describe)),
      "places": .array(describe(places, try session.logProbabilities())),
      "model": describe(model),
    ]
    try writeToStandardOutput(report.appending(document(text, format)).text() + "\n")
  }

  private func choose(
    _ question: String, _ session: Session, _ images: [EncodedImage], _ regions: [MarkedRegion], _ progress: ProgressLine
  ) throws {
    let choices = constraints.choices
    let (index, probabilities) = try session.choose(
      question, images: images, regions: regions, among: choices, options: generateOptions(), task: chosenTask)
    progress.clear()
    guard json else { return try writeToStandardOutput(choices[index] + "\n") }
    let listed: [JSON] = zip(choices, probabilities).map { ["text": .string($0), "probability": .rounded($1)] }
    let report: JSON = ["text": .string(choices[index]), "choices": .array(listed)]
    try writeToStandardOutput(report.text() + "\n")
  }

  /// Whether answers are converted to `--output-format`.
  func isConverted(_ model: Model) throws -> Bool {
    guard let outputFormat, outputFormat.converts else { return false }
    guard outputFormat.needsDocTags, !model.writesDocTags else { return model.writesDocTags }
    throw CommandFailure(.usage, "--output-format \(outputFormat.rawValue) is made of DocTags, in which this model does not answer.")
  }

  /// The report's member with a converted answer.
  func document(_ answer: String, _ format: PageFormat?) -> JSON {
    guard let format else { return .object([]) }
    return ["document": format == .json ? DocTags(answer).json : .string(format.text(answer))]
  }

  func describe(_ model: Model) -> JSON {
    [
      "system": .string(String(cString: model.info.system)), "name": .string(String(cString: model.info.name)),
      "weight_type": .string(String(cString: model.info.weight_type)),
      "instruction_set": .string(String(cString: model.info.instruction_set)), "threads": .int(model.info.threads),
    ]
  }

  /// Several times with `--each-size`.
  func encode(_ picture: Picture, _ what: String, _ model: Model, _ progress: ProgressLine) throws(LibraryError) -> [EncodedImage] {
    defer { progress.clear() }
    return try (eachSize ? views.modes(of: model) : [views.mode]).map { (mode) throws(LibraryError) in
      try picture.encoded(by: model, pictures.decoding, tiles: views.tiles, mode: mode, deadline: deadline ?? 0) { progress.show(what, $0, $1) }
    }
  }

  private func promptText() throws -> String {
    guard prompt == "-" else { return prompt }
    var text = try readStandardInput()
    // The final line break of a file or shell is not part of the question; a raw prompt is unchanged.
    if !raw, text.last == UInt8(ascii: "\n") { text.removeLast() }
    return try validText(text, "prompt: standard input")
  }

  func generateOptions() -> fovea_generate_options {
    var options = fovea_generate_options()
    options.max_tokens = maxTokens ?? 0
    options.temperature = temperature
    options.top_k = topK
    options.top_p = topP
    options.repetition_penalty = repetitionPenalty
    options.ignore_eos = ignoreEos ? 1 : 0
    options.raw = raw ? 1 : 0
    options.ngram_ban = ngramBan.map { $0 == 0 ? -1 : $0 } ?? 0
    options.ngram_window = ngramWindow
    options.loop_tokens = loopTokens ?? 0
    options.beams = beams.count
    options.alternatives = eachSize ? 1 : 0
    options.seed = seed
    options.deadline_seconds = deadline ?? 0
    return options
  }

  private func paint(
    _ places: [fovea_place], _ regions: [MarkedRegion], _ picture: Picture, _ encoded: EncodedImage, to path: FilePath
  ) throws {
    let views = try encoded.views()
    let file = try PNGFile(path: path.utf8(), width: Int(encoded.info.width), height: Int(encoded.info.height))
    try picture.withRows(pictures.decoding) { rows in
      try Drawing.bands(of: rows, room: pictureRoom()) { drawing in
        for view in views { drawing.paint(view) }
        for (i, place) in places.enumerated() { drawing.paint(place, colour: Drawing.palette[i % Drawing.palette.count].colour) }
        for region in regions where region.structure.image == 0 { drawing.paint(region.structure) }
        try drawing.append(to: file)
      }
    }
    try file.commit()
  }

  /// Most bytes for a picture that must be held whole; nil: no budget.
  private func pictureRoom() throws -> Int? {
    guard let budget = model.memoryBudget?.bytes else { return nil }
    return Int(clamping: budget) - min(Int(clamping: try model.plan().total_bytes), Int(clamping: budget))
  }

  private func describe(_ places: [fovea_place], _ logProbabilities: [Float]) -> [JSON] {
    places.enumerated().map { i, p in
      let (first, end) = (Int(p.first_token), Int(p.first_token) + Int(p.tokens))
      let tokens = logProbabilities[min(first, logProbabilities.count)..<min(end, logProbabilities.count)]
      let numbers = p.is_point != 0 ? [p.x1, p.y1] : [p.x1, p.y1, p.x2, p.y2]
      var members: [(String, JSON)] = [
        ("phrase", .string(p.phrase.map { String(cString: $0) } ?? "")),
        (p.is_point != 0 ? "point" : "box", .array(numbers.map { .rounded($0) })),
        ("log_probability", .rounded(p.log_probability)), ("token_log_probabilities", .array(tokens.map { .rounded(Double($0)) })),
      ]
      if draw != nil { members.append(("colour", .string(Drawing.palette[i % Drawing.palette.count].name))) }
      return .object(members)
    }
  }

  private func describe(_ picture: Picture, _ image: EncodedImage) -> JSON {
    [
      "path": .string(picture.path), "width": .int(image.info.width), "height": .int(image.info.height),
      "tokens": .int(image.info.tokens), "views": .int(image.info.views),
    ]
  }
}

func stopReasonName(_ reason: Int32) -> String {
  switch Int(reason) {
  case FOVEA_STOP_END: "end"
  case FOVEA_STOP_LENGTH: "length"
  case FOVEA_STOP_TEXT: "text"
  case FOVEA_STOP_CALLBACK: "callback"
  case FOVEA_STOP_CONTEXT: "context"
  case FOVEA_STOP_LOOP: "loop"
  default: "\(reason)"
  }
}
