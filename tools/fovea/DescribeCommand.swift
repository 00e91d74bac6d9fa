// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CFovea
import CheckpointFiles
import Conversion
import Images
import Shims

struct DescribeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "describe",
    abstract: "Describe images on several levels: the whole, its parts, its texts, and a summary.",
    discussion: """
      With --output every image becomes one line of JSON in the layout of Monkey's training records; stopped at any moment, the same \
      command goes on where it was. A caption of a part is kept where the model itself finds that it fits: by the probability of yes \
      against no. Records say what settings they were made with: a file made with others is not gone on with. A picture that has changed \
      since is described again. Files that cannot be read are named, and the exit status is then 65. Exit status: \(ExitStatus.list).
      """
  )

  @OptionGroup var model: ModelOptions

  @Argument(help: "PNG and JPEG files, folders of them, PDF files, pipes, - for standard input.")
  var inputs: [FilePath]

  @Option(
    name: [.short, .customLong("output")],
    help: "File of records to write or go on with, - for standard output; without it text goes to standard output.")
  var output: FilePath?

  @Option(help: "Parts to look at, ROWSxCOLUMNS of equal cells; 0x0 for none.")
  var grid = GridSize(rows: 2, columns: 2)

  @Option(help: "JSON file of further parts: {\"name.jpg\": [[x1, y1, x2, y2], …]} in shares of width and height; every name is one of the images.")
  var boxes: FilePath?

  @Flag(help: "Let the model name objects and their places too: its task detect, or --ground-prompt.")
  var ground = false
  @Option(help: "Request to list objects with their places; implies --ground.", transform: validText)
  var groundPrompt: String?

  @Option(help: "Request for the caption of the whole; without it the model's own task, or a plain request.", transform: validText)
  var captionPrompt: String?
  @Option(help: "Request for the caption of a part.", transform: validText)
  var regionPrompt: String?
  @Option(help: "Request to read what is written.", transform: validText)
  var textPrompt: String?
  @Option(help: "Question whether a caption fits; {caption} stands for it.", transform: validText)
  var matchPrompt: String?

  @Option(parsing: .unconditional, help: "Least probability of yes for captions of cells.")
  var cellThreshold = 0.5
  @Option(parsing: .unconditional, help: "Least probability of yes for captions of given boxes.")
  var boxThreshold = 0.4
  @Option(parsing: .unconditional, help: "Least probability per token for texts.")
  var textThreshold = 0.85

  @Option(parsing: .unconditional, help: "Most tokens of a caption of the whole and of the summary.")
  var maxTokens: Int32 = 250

  @Flag(inversion: .prefixedNo, help: "Read texts.")
  var texts = true
  @Flag(inversion: .prefixedNo, help: "Write a summary.")
  var summary = true
  @OptionGroup var pictures: PictureOptions

  func validate() throws {
    if maxTokens < 1 { throw ValidationError("--max-tokens must be at least 1.") }
    for (name, value) in [("cell", cellThreshold), ("box", boxThreshold), ("text", textThreshold)] where !value.isFinite {
      throw ValidationError("--\(name)-threshold must be a finite number.")
    }
    if let matchPrompt, !matchPrompt.contains("{caption}") { throw ValidationError("--match-prompt must hold {caption}.") }
  }

  func run() throws {
    let list = try PictureList(inputs)
    try list.requireDistinctNames()
    try requireSeparate([output], from: list.files, [boxes, self.model.file])
    let given = try boxes.map { try BoxFile(path: $0.utf8(), names: Set(list.pictures.map(\.name))) }
    let progress = ProgressLine()
    defer { progress.clear() }
    // Checked before the model is loaded, which may take long.
    let records = try output.map { try RecordFile(path: $0) }
    let model = try model.load(progress)
    let common = try self.settings(model)
    func settings(of picture: Picture) -> JSON {
      guard let boxes = given?[picture.name] else { return common }
      let numbers = boxes.map { JSON.array([$0.x1, $0.y1, $0.x2, $0.y2].map { .double($0) }) }
      return common.appending(JSON.object([("boxes", .array(numbers))]))
    }
    let waiting = try list.pictures.filter { picture in
      try Interruption.check("describing")
      return try records?.isDone(picture, settings: settings(of: picture)) != true
    }
    let session = try Session(model)
    var describer = describer(model, session)
    let failed = try waiting.workThrough("describing", progress) { number, picture in
      let place = list.pictures.count - waiting.count + number
      describer.progress = { step, steps in progress.show("\(place + 1) of \(list.pictures.count) images, step", step, steps) }
      let checksum = try records == nil ? "" : picture.identity()
      let picture = try picture.kept()
      let found = try describer.describe(picture, boxes: given?[picture.name] ?? [])
      progress.clear()
      if let records {
        let origin: JSON = ["settings": settings(of: picture), "checksum": .string(checksum)]
        try records.append(found.record.appending(origin), id: picture.name)
      } else {
        try writeToStandardOutput(visible(found.text))
      }
    }
    try records?.finish()
    if !failed.isEmpty { throw CommandFailure(.data, "\(failed.count) of \(list.pictures.count) images could not be read.") }
  }

  private func describer(_ model: Model, _ session: Session) -> Describer {
    var describer = Describer(model: model, session: session, reading: pictures.decoding)
    describer.prompts = Describer.Prompts(caption: captionPrompt, region: regionPrompt, text: textPrompt, ground: groundPrompt)
    if let matchPrompt { describer.prompts.match = matchPrompt }
    (describer.filter.cells, describer.filter.named, describer.filter.texts) = (cellThreshold, boxThreshold, textThreshold)
    (describer.rows, describer.columns) = (grid.rows, grid.columns)
    describer.captionTokens = maxTokens
    describer.grounds = ground || groundPrompt != nil
    (describer.readsTexts, describer.summarises) = (texts, summary)
    return describer
  }

  /// What a record depends on besides its image.
  private func settings(_ model: Model) throws -> JSON {
    let identity = try self.model.identity()
    var members: [(String, JSON)] = [
      ("model", .string(String(cString: model.info.name))), ("identity", .string(identity)),
      ("weight_type", .string(String(cString: model.info.weight_type))), ("grid", .string("\(grid.rows)x\(grid.columns)")),
      ("ground", .bool(ground || groundPrompt != nil)),
      ("thresholds", .array([cellThreshold, boxThreshold, textThreshold].map { .double($0) })), ("max_tokens", .int(maxTokens)),
      ("texts", .bool(texts)), ("summary", .bool(summary)), ("pictures", .string(pictures.description)),
    ]
    if let length = self.model.contextLength { members.append(("context_length", .int(length))) }
    if let type = self.model.cacheType { members.append(("cache_type", .string(type.rawValue))) }
    for (name, prompt) in [
      ("caption_prompt", captionPrompt), ("region_prompt", regionPrompt), ("text_prompt", textPrompt), ("ground_prompt", groundPrompt),
      ("match_prompt", matchPrompt),
    ] {
      if let prompt { members.append((name, .string(prompt))) }
    }
    return .object(members)
  }
}

/// `2x3`: two rows of three.
struct GridSize: ExpressibleByArgument {
  let rows, columns: Int

  init(rows: Int, columns: Int) { (self.rows, self.columns) = (rows, columns) }

  init?(argument: String) {
    let numbers = argument.lowercased().split(separator: "x", omittingEmptySubsequences: false).compactMap { Int($0) }
    guard numbers.count == 2, numbers.allSatisfy({ (0...16).contains($0) }) else { return nil }
    self.init(rows: numbers[0], columns: numbers[1])
  }

  var defaultValueDescription: String { "\(rows)x\(columns)" }
}

/// The caller's boxes, by the images' names.
private struct BoxFile {
  private let boxes: [String: [NormalisedBox]]

  /// - Parameter names: of all pictures that there are.
  init(path: String, names: Set<String>) throws {
    func failure(_ what: String) -> LibraryError {
      LibraryError(status: fovea_status(FOVEA_ERROR_ARGUMENT), description: "--boxes \(path): \(what).")
    }
    let value: JSONValue
    do { value = try .read(path) } catch { throw failure("\(error)") }
    guard let members = value.members else { throw failure("is not a JSON object") }
    var boxes: [String: [NormalisedBox]] = [:]
    for (name, value) in members {
      guard names.contains(name) else { throw failure("\(name) is none of the images") }
      guard let list = value.array else { throw failure("\(name) has no list of boxes") }
      boxes[name] = try list.map { box in
        let numbers = box.array?.compactMap(\.double) ?? []
        guard let found = NormalisedBox(numbers), box.array?.count == 4 else {
          throw failure("a box of \(name) is not four shares x1, y1, x2, y2 with x1 < x2 and y1 < y2")
        }
        return found
      }
    }
    self.boxes = boxes
  }

  subscript(name: String) -> [NormalisedBox]? { boxes[name] }
}
