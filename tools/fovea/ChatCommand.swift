// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CFovea
import Shims

struct ChatCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "chat",
    abstract: "Talk about images, one question a line.",
    discussion: """
      Each line of standard input is a question, until its end. What was said before is not read again. The images stand with the first \
      question; a line `/image FILE` puts one with the next, `/reset` begins anew. Where the context is full, the oldest questions go. A \
      model that was trained on single questions refuses a second. Exit status: \(ExitStatus.list).
      """
  )

  @OptionGroup var model: ModelOptions

  @Option(
    name: [.short, .customLong("image")], parsing: .upToNextOption, help: "PNG or JPEG files, or folders of them. May be repeated.",
    completion: .file())
  var image: [FilePath] = []

  @Option(help: "A system text in place of the model's own.", transform: validText)
  var system: String?

  @OptionGroup var pictures: PictureOptions

  @Option(parsing: .unconditional, help: "Most tokens of an answer; without it until it ends or the context is full.")
  var maxTokens: Int32?

  @Option(parsing: .unconditional, help: "0 takes the likeliest token, more chooses at random.")
  var temperature: Float = 0

  @Option(parsing: .unconditional, help: "Choose among tokens with at least this share of the likeliest one's probability.")
  var minP: Float = 0

  @Option(parsing: .unconditional, help: "Seed of the random choices.")
  var seed: UInt64 = 0

  func validate() throws {
    if let maxTokens, maxTokens < 1 { throw ValidationError("--max-tokens must be at least 1.") }
    if image.contains(where: \.isStandardInput) { throw ValidationError("Standard input is for the questions.") }
  }

  func run() throws {
    let progress = ProgressLine()
    let model = try model.load(progress)
    var waiting = try encoded(image, model, progress)
    let session = try Session(model)
    let first: [(role: Int, text: String, images: [EncodedImage])] = system.map { [(FOVEA_ROLE_SYSTEM, $0, [])] } ?? []
    var messages = first
    var options = fovea_generate_options()
    (options.max_tokens, options.temperature, options.min_p, options.seed) = (maxTokens ?? 0, temperature, minP, seed)
    options.overflow = Int32(FOVEA_OVERFLOW_DROP_OLDEST)
    let isTerminal = isatty(STDIN_FILENO) == 1
    var lines = InputLines()
    while true {
      if isTerminal { writeToStandardError("> ") }
      guard let bytes = try lines.next(), !Interruption.isWanted else { return }
      if bytes.starts(with: "/image ".utf8) {
        // A picture that cannot be read ends a script, but not an interactive chat.
        do { waiting += try encoded([FilePath(bytes: Array(bytes.dropFirst(7)))], model, progress) } catch {
          guard isTerminal, let failure = CommandFailure(error) else { throw error }
          writeToStandardError("fovea: \(visible(failure.description))\n")
        }
        continue
      }
      let line = try validText(bytes, "standard input, line \(lines.number)")
      if line == "/reset" {
        messages = first
        continue
      }
      if line.isEmpty { continue }
      messages.append((FOVEA_ROLE_USER, line, waiting))
      waiting = []
      let (text, _) = try session.chat(
        messages, options: options, progress: { progress.show("reading", $0, $1) },
        onText: { (piece) throws(CommandFailure) in
          progress.clear()
          try writeToStandardOutput(piece)
        })
      progress.clear()
      try writeToStandardOutput("\n")
      messages.append((FOVEA_ROLE_ASSISTANT, text, []))
    }
  }

  private func encoded(_ files: [FilePath], _ model: Model, _ progress: ProgressLine) throws -> [EncodedImage] {
    try PictureList(files).pictures.map { picture in
      defer { progress.clear() }
      return try picture.encoded(by: model, pictures.decoding, tiles: 0, mode: nil, deadline: 0) { progress.show("encoding", $0, $1) }
    }
  }
}
