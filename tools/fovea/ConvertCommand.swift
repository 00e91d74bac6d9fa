// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CheckpointFiles
import Conversion
import Quantization
import Shims
import WeightFile

struct ConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert", abstract: "Make a .fovea weight file from a checkpoint.",
    discussion: """
      The folder is laid out as on the Hugging Face hub: config.json, safetensors or pytorch_model.bin (whole or in shards), and a \
      tokenizer. Or it is a GGUF file, with the mmproj file of its vision tower beside it. Known are: \(FoveaCommand.systems); LLaVA in the original layout and in transformers'.
      """)

  @Argument(help: "The checkpoint folder or GGUF file, or a LoRA folder together with --base.")
  var checkpoint: FilePath

  @Option(name: .shortAndLong, help: "The file to write, - for standard output. It appears only when it is complete.")
  var output: FilePath

  @Option(help: "Numbers of the weights: \(ModelType.allCases.map(\.rawValue).joined(separator: ", ")).")
  var type = ModelType.int8

  @Option(help: "Numbers of the vision tower's and projector's weights, where not as --type; less than int8 there means int8.")
  var visionType: ModelType?

  @Option(
    help: """
      auto compresses only floats that this halves: all other weights are then used from the file as it lies; zstd makes the file small for \
      transport (fovea unpack undoes it), none compresses nothing.
      """)
  var compress = Compress.auto

  @Option(
    help: "Weights of the decoder that share a scale in int8; below eight bits it is always 32.")
  var group = 32

  @Option(help: "Of a model of less than 8 bits: bytes that all weights may take, with K, M or G. Errors then decide how many bits each matrix gets.")
  var targetSize: ByteCount?

  @Option(parsing: .unconditional, help: "The same in bits per weight, over all matrices of the decoder.")
  var targetBits: Double?

  @Option(help: "A PEFT LoRA folder to merge into the checkpoint.")
  var lora: FilePath?

  @Option(help: "The checkpoint that the LoRA folder or projector given was trained on.")
  var base: FilePath?

  @Option(help: "The vision tower's folder, or its GGUF file, if it is neither in nor beside the checkpoint.")
  var visionTower: FilePath?

  @Option(
    help:
      "How questions are put, where not as the checkpoint's chat template says: a Jinja file, or \(PromptFormat.named.map(\.name).joined(separator: ", "))."
  )
  var chatTemplate: FilePath?

  @Option(help: "The model's name in the file's metadata; the folder's name by default.", transform: validText)
  var name: String?

  @Option(help: "The model's licence in the file's metadata; by default what its README.md says.", transform: validText)
  var licence: String?

  @Option(help: "What `fovea calibrate` measured: errors then count by how much each input matters.")
  var importance: FilePath?

  @Flag(
    inversion: .prefixedNo, help: "Round so that later inputs make up for the errors of earlier ones (GPTQ), where the importance file has moments.")
  var feedback = true

  @Flag(help: "Fetch checkpoints that are named by their repository, org/name, with Python's huggingface_hub.")
  var download = false

  @Flag(help: "Print every tensor's encoding, size and error.")
  var report = false

  @Option(help: "Write the same to this file, as JSON if its name ends in .json, else as text with tabs.")
  var reportFile: FilePath?

  @Flag(name: .shortAndLong, help: "Print nothing but errors.")
  var quiet = false

  enum Compress: String, ExpressibleByArgument, CaseIterable { case auto, zstd, none }

  func validate() throws {
    if targetSize != nil, targetBits != nil { throw ValidationError("--target-size and --target-bits say the same: give one.") }
    if output.text == "-", isatty(STDOUT_FILENO) == 1 { throw ValidationError("A weight file is not for a terminal: name a file with --output.") }
    if let targetBits, !(targetBits > 0 && targetBits <= 64) { throw ValidationError("--target-bits must be above 0 and at most 64.") }
  }

  func run() throws {
    // Its errors are not the checkpoint's.
    let importance = try importance.map { try ImportanceFile(path: $0.utf8()) }
    do { try convert(importance) } catch let error as ConversionError {
      if case .badOption = error { throw error }
      // Errors name a file or a tensor; add the checkpoint where it is missing.
      let (path, text) = (checkpoint.description, error.description)
      let isPlaced = text.contains(path) || self.importance.map { text.hasPrefix("\($0): ") } == true
      throw CommandFailure(ExitStatus(error), isPlaced ? text : path + ": " + text)
    }
  }

  private func convert(_ importance: ImportanceFile?) throws {
    func located(_ path: FilePath) throws -> String {
      let name = try path.utf8()
      return download && HubDownload.isRepository(name) ? try HubDownload.fetch(name, quiet: quiet) : name
    }
    var opened = try OpenCheckpoint(
      path: located(checkpoint), base: base.map(located), adapter: lora.map(located), vision: visionTower.map(located))
    var templateFile: FilePath?
    if let chatTemplate {
      let name = try chatTemplate.utf8()
      let known = PromptFormat.named.first { $0.name == name }
      opened.chatTemplate = if let known { .format(known.format) } else { .template(try ChatTemplate(path: name)) }
      if known == nil { templateFile = chatTemplate }
    }
    let given = [checkpoint, lora, base, visionTower, templateFile, self.importance]
    try requireSeparate([output, reportFile], from: given, opened.files.map { FilePath(bytes: Array($0.utf8)) })
    var options = Converter.Options()
    options.type = type
    options.visionType = visionType
    options.group = group
    options.compression = compress == .auto ? .auto : compress == .zstd ? .zstd : .none
    options.name = name
    options.licence = licence
    options.target = targetSize.map { .bytes(Int(clamping: $0.bytes)) } ?? targetBits.map { .bitsPerWeight($0) }
    options.usesFeedback = feedback
    options.importance = importance
    let converter = try Converter(opened, options: options)

    let bar = ProgressBar(total: converter.totalElements, isShown: !quiet && isatty(STDERR_FILENO) == 1)
    Interruption.install([SIGINT, SIGTERM, SIGHUP])
    let start = monotonic_nanoseconds()
    let tensors = try converter.write(to: try output.utf8() == "-" ? "/dev/stdout" : output.utf8()) { done, tensor in
      bar.show(done, tensor)
      try Interruption.check("the conversion")
    }
    bar.clear()
    let listed = ConversionReport(tensors)
    let say =
      output.output == "/dev/stdout" ? { writeToStandardError($0) } : { (text: String) throws(CommandFailure) in try writeToStandardOutput(text) }
    if report { try say(visible(listed.table) + "\n") }
    if let reportFile { try listed.write(to: reportFile) }
    if !quiet {
      var status = stat()
      let size = stat(output.output, &status) == 0 && status.st_mode & mode_t(S_IFMT) == mode_t(S_IFREG) ? ", " + amount(status.st_size) : ""
      let seconds = decimal(Double(monotonic_nanoseconds() - start) / 1e9, 1)
      let loss = listed.expectedLoss.map { "; " + $0 } ?? ""
      try say(
        visible("\(output): \(converter.system.system) as \(type.rawValue), \(tensors.count) tensors\(size), \(seconds) s\(loss)") + "\n")
    }
  }
}

extension ModelType: ExpressibleByArgument {}

/// One line on standard error, redrawn at most ten times a second.
private final class ProgressBar {
  private let total: Int
  private let isShown: Bool
  private var last: UInt64 = 0

  init(total: Int, isShown: Bool) {
    self.total = max(total, 1)
    self.isShown = isShown
  }

  func show(_ done: Int, _ text: String) {
    guard isShown, monotonic_nanoseconds() &- last > 100_000_000 else { return }
    last = monotonic_nanoseconds()
    let share = Double(done) / Double(total)
    let filled = Int(share * 30)
    let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: 30 - filled)
    writeToStandardError("\r[\(bar)] \(Int(share * 100)) %  \(text)\u{1B}[K")
  }

  func clear() {
    if isShown { writeToStandardError("\r\u{1B}[K") }
  }
}
