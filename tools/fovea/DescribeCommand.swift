// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CFovea
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
      against no.
      """
  )

  @OptionGroup var model: ModelOptions

  @Argument(help: "PNG and JPEG files, and folders of them.")
  var inputs: [String]

  @Option(name: [.short, .customLong("output")], help: "File of records to write or go on with; without it text goes to standard output.")
  var output: String?

  @Option(help: "Parts to look at, ROWSxCOLUMNS of equal cells; 0x0 for none.")
  var grid = GridSize(rows: 2, columns: 2)

  @Option(help: "JSON file of further parts: {\"name.jpg\": [[x1, y1, x2, y2], …]} in shares of width and height.")
  var boxes: String?

  @Flag(help: "Let the model name objects and their places too: its task detect, or --ground-prompt.")
  var ground = false
  @Option(help: "Request to list objects with their places; implies --ground.")
  var groundPrompt: String?

  @Option(help: "Request for the caption of the whole; without it the model's own task, or a plain request.")
  var captionPrompt: String?
  @Option(help: "Request for the caption of a part.")
  var regionPrompt: String?
  @Option(help: "Request to read what is written.")
  var textPrompt: String?
  @Option(help: "Question whether a caption fits; {caption} stands for it.")
  var matchPrompt: String?

  @Option(help: "Least probability of yes for captions of cells.")
  var cellThreshold = 0.5
  @Option(help: "Least probability of yes for captions of given boxes.")
  var boxThreshold = 0.4
  @Option(help: "Least probability per token for texts.")
  var textThreshold = 0.85

  @Option(help: "Most tokens of a caption of the whole and of the summary.")
  var maxTokens: Int32 = 250

  @Flag(inversion: .prefixedNo, help: "Read texts.")
  var texts = true
  @Flag(inversion: .prefixedNo, help: "Write a summary.")
  var summary = true
  @OptionGroup var pictures: PictureOptions

  func validate() throws {
    if maxTokens < 1 { throw ValidationError("--max-tokens must be at least 1.") }
    if let matchPrompt, !matchPrompt.contains("{caption}") { throw ValidationError("--match-prompt must hold {caption}.") }
  }

  func run() throws { try reportingFailures(describe) }

  private func describe() throws {
    let folder = try ImageFolder(inputs)
    let given = try boxes.map { try BoxFile(path: $0) }
    let records = try output.map { try RecordFile(path: $0) }
    let progress = ProgressLine()
    let model = try model.load(progress)
    let session = try Session(model)
    cancelOnInterrupt(session)
    var describer = Describer(model: model, session: session)
    describer.prompts = Describer.Prompts(caption: captionPrompt, region: regionPrompt, text: textPrompt, ground: groundPrompt)
    if let matchPrompt { describer.prompts.match = matchPrompt }
    (describer.filter.cells, describer.filter.named, describer.filter.texts) = (cellThreshold, boxThreshold, textThreshold)
    (describer.rows, describer.columns) = (grid.rows, grid.columns)
    describer.captionTokens = maxTokens
    describer.grounds = ground || groundPrompt != nil
    (describer.readsTexts, describer.summarises) = (texts, summary)

    let waiting = folder.files.filter { records?.done.contains($0.name) != true }
    var failed = 0
    for (number, file) in waiting.enumerated() {
      let place = folder.files.count - waiting.count + number
      describer.progress = { step, steps in progress.show("\(place + 1) of \(folder.files.count) images, step", step, steps) }
      do {
        let image = try RGBImage.decode(path: file.path, options: pictures.decoding)
        let found = try describer.describe(image, name: file.name, boxes: given?[file.name] ?? [])
        progress.clear()
        if let records { try records.append(found.record, id: file.name) } else { writeToStandardOutput(found.text) }
      } catch let error as ImageError {
        // One bad image does not end the work on a folder.
        progress.clear()
        writeToStandardError("fovea: \(error.description)\n")
        failed += 1
      }
    }
    if failed > 0 {
      throw LibraryError(
        status: fovea_status(FOVEA_ERROR_IMAGE), description: "\(failed) of \(folder.files.count) images could not be read.")
    }
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

/// Boxes that a caller names, by the images' names.
private struct BoxFile {
  private let boxes: [String: [NormalisedBox]]

  init(path: String) throws {
    func failure(_ what: String) -> LibraryError {
      LibraryError(status: fovea_status(FOVEA_ERROR_ARGUMENT), description: "--boxes \(path): \(what).")
    }
    let value: JSONValue
    do { value = try .read(path) } catch { throw failure("\(error)") }
    guard let members = value.members else { throw failure("is not a JSON object") }
    var boxes: [String: [NormalisedBox]] = [:]
    for (name, list) in members {
      boxes[name] = try (list.array ?? []).map { box in
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
