// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CheckpointFiles
import Conversion
import Families
import Fovea
import Generation
import Glibc
import Images
import Quantization
import Regions
import Runtime
import Shims
import WeightFile

struct CalibrateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "calibrate", abstract: "Measure what matters in a model, for `fovea convert --importance`.",
    discussion: """
      The model answers every prompt about every image and reads the texts; meanwhile the mean square of each input of each matrix is taken \
      down. Use a file of float or int8 weights, and images, prompts and texts like those to come: some dozens are enough, of texts tens of \
      thousands of tokens. Without images and texts, texts that come with Fovea are read: prose, code, tables and transcripts in many languages. \
      With --moments the means of products of \
      neighbouring inputs are taken down, too; where they reach over all inputs of a matrix, int4 loses least. The result is a safetensors \
      file: for each matrix NAME.meanSquares [inputs], NAME.rows [1], NAME.moments [inputs, n].
      """)

  @OptionGroup var model: ModelOptions

  @Argument(help: "PNG and JPEG files, and folders of them.")
  var images: [FilePath] = []

  @Option(name: .shortAndLong, help: "The importance file to write, - for standard output. It appears only when it is complete.")
  var output: FilePath

  @Option(name: [.short, .customLong("prompt")], help: "A question to ask about every image; may be repeated.", transform: validText)
  var prompt: [String] = []

  @Option(help: "A file of questions, one a line, asked about every image.")
  var prompts: FilePath?

  @Option(
    help: "One of the model's own forms of a prompt; may be repeated. Without any question: all of them that ask by themselves.", transform: validText
  )
  var task: [String] = []

  @Option(parsing: .upToNextOption, help: "Files of plain text, read as they are, without an image: they calibrate the decoder alone.")
  var texts: [FilePath] = []

  @Option(help: "Most tokens of all texts together, in pieces of 512 that are spread over them evenly.")
  var textTokens = 32768

  @Option(help: "Most tokens of an answer.")
  var maxTokens = 128

  @Option(help: "Neighbouring inputs of which all pairs' products are kept: n numbers for each input, 0 for none. More of them make better int4.")
  var moments = 64

  @Flag(name: .shortAndLong, help: "Print nothing but errors.")
  var quiet = false

  func validate() throws {
    if textTokens < 1 { throw ValidationError("--text-tokens must be at least 1.") }
    if maxTokens < 1 { throw ValidationError("--max-tokens must be at least 1.") }
    if !(0...65536).contains(moments) { throw ValidationError("--moments must be 0 to 65536.") }
  }

  func run() throws {
    let list = try PictureList(images)
    let pictures = list.pictures
    try requireSeparate([output], from: list.files, texts, [prompts, model.file])
    let statistics = InputStatistics(block: moments)
    let progress = ProgressLine()
    defer { progress.clear() }
    guard let path = model.file else {
      throw CommandFailure(.noInput, "no model was named and none is installed")
    }
    Interruption.install()
    var options = LoadOptions(
      threads: model.threads.map { Int($0) }, memoryBudget: model.memoryBudget.map { Int(clamping: $0.bytes) },
      contextLength: model.contextLength.map { Int($0) }, cacheType: model.cacheType.map(\.kind), maps: !model.noMapping,
      verify: model.verify, statistics: statistics)
    options.progress = { done, total in
      progress.show("loading", done, total)
      return !Interruption.isWanted
    }
    let loaded = try Generation.Model.load(path: path.cString, options: options)
    let questions = try self.questions(loaded)
    let session = try Generation.Session(loaded)
    var tokens = 0
    let texts = try self.texts.isEmpty && images.isEmpty ? [ownTexts()] : self.texts
    let pieces = try self.pieces(texts, loaded)
    guard !(pieces.isEmpty && pictures.isEmpty) else { throw CommandFailure(.data, "the texts hold nothing that can be read.") }
    for (i, piece) in pieces.enumerated() {
      progress.show("texts", i, pieces.count)
      try Interruption.check("the measurement")
      var options = GenerateOptions()
      options.isRaw = true
      try session.logits(prompt: piece, images: [], options: options) { tokens += $1 }
    }
    for (i, picture) in pictures.enumerated() {
      progress.show("images", i, pictures.count)
      let image = try picture.withRows(DecodingOptions(heldRoom: PictureOptions.heldRoom)) { try loaded.encode($0) }
      for question in questions {
        // Reused positions would not be counted.
        try session.reset()
        try Interruption.check("the measurement")
        let result = try session.generate(prompt: Array(question.text.utf8), images: [image], options: question.options)
        tokens += result.promptTokens + result.ids.count
      }
    }
    progress.clear()
    let left = try ImportanceFile.write(
      statistics, of: loaded.matrices, model: loaded.metadata.string("general.name") ?? "", to: output.utf8() == "-" ? output.output : output.utf8())
    guard !quiet else { return }
    let inputs = "\(pictures.count) images, " + (texts.isEmpty ? "" : "\(pieces.count) pieces of text, ") + "\(tokens) tokens"
    var said = "\(output): \(loaded.matrices.count - left.count) matrices, \(inputs)\n"
    if !left.isEmpty { said += "not used: \(left.prefix(4).joined(separator: ", "))" + (left.count > 4 ? ", … (\(left.count))\n" : "\n") }
    if output.output == "/dev/stdout" { writeToStandardError(visible(said)) } else { try writeToStandardOutput(visible(said)) }
  }

  /// Parts of the texts, of tokens that fill a pass or less. What spells the model's special tokens or a mark of prompts is left out: it would be read
  /// as those.
  private func pieces(_ texts: [FilePath], _ model: Generation.Model) throws -> [[UInt8]] {
    let length = min(512, max(model.contextLength - 1, 1))
    var pieces: [[UInt8]] = []
    for path in texts {
      let bytes = try MappedFile(path: path.utf8()).withBytes { Array($0) }
      guard String(validating: bytes, as: UTF8.self) != nil else { throw CommandFailure(.data, "\(path): is no UTF-8 text.") }
      let ids = try model.tokenize(bytes, parseSpecials: false)
      for start in stride(from: 0, to: ids.count, by: length) {
        let piece = try model.detokenize(Array(ids[start..<min(start + length, ids.count)]))
        if piece.contains(PromptTemplate.imageMark) || piece.contains(RegionMarks.mark) { continue }
        if try model.tokenize(piece) == model.tokenize(piece, parseSpecials: false) { pieces.append(piece) }
      }
    }
    let wanted = (textTokens - 1) / length + 1
    return pieces.count <= wanted ? pieces : (0..<wanted).map { pieces[$0 * pieces.count / wanted] }
  }

  /// The texts that come with this program.
  private func ownTexts() throws(CommandFailure) -> FilePath {
    guard let path = companionFile("share/fovea/calibration.txt", "tools/fovea/calibration.txt") else {
      throw CommandFailure(.noInput, "no image and no text was named, and the texts of Fovea's own are not installed")
    }
    return path
  }

  private func questions(_ model: Generation.Model) throws -> [(text: String, options: GenerateOptions)] {
    var options = GenerateOptions()
    options.maxTokens = maxTokens
    options.loopTokens = 64
    // Rejected draft tokens would be counted.
    options.draftTokens = 0
    var texts = prompt
    if let prompts {
      let bytes = try MappedFile(path: prompts.utf8()).withBytes { Array($0) }
      texts += String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline).map { String($0) }.filter {
        $0.contains { !$0.isWhitespace }
      }
    }
    var asked = texts.map { (text: $0, options: options) }
    let names = task.isEmpty && asked.isEmpty ? ownTasks(model) : task
    for name in names {
      options.task = Array(name.utf8)
      asked.append(("", options))
    }
    options.task = nil
    return asked.isEmpty ? [("Describe the image in detail.", options)] : asked
  }

  /// The model's own prompt templates that need no question.
  private func ownTasks(_ model: Generation.Model) -> [String] {
    let names = (model.metadata.byteStrings("prompt.tasks") ?? []).map { String(decoding: $0, as: UTF8.self) }
    let templates = (model.metadata.byteStrings("prompt.taskTemplates") ?? []).map { String(decoding: $0, as: UTF8.self) }
    return zip(names, templates).filter { !$1.contains("{question}") }.map(\.0)
  }
}

extension CacheTypeName {
  fileprivate var kind: CacheType {
    switch self {
    case .f32: .float32
    case .f16: .float16
    case .int8: .int8
    }
  }
}
