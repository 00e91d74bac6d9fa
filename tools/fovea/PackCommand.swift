// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Schema
import Shims
import WeightFile

struct PackCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pack", abstract: "Make a weight file small for transport.",
    discussion: """
      Every tensor is compressed, losslessly. Such a file is decoded into memory when it is loaded; fovea unpack makes one that is used as it \
      lies. Image embeddings of either serve the other.
      """)

  @OptionGroup var copy: WeightFileCopy

  func run() throws { try copy.write(.zstd) }
}

struct UnpackCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "unpack", abstract: "Undo what makes a weight file small: the result is used as it lies, and shared by processes.",
    discussion: "Every checksum is checked on the way.")

  @OptionGroup var copy: WeightFileCopy

  func run() throws { try copy.write(.none) }
}

/// A rewritten copy of a weight file.
struct WeightFileCopy: ParsableArguments {
  @Argument(help: "The weight file (.fovea).")
  var file: FilePath

  @Option(
    name: .shortAndLong,
    help: "The file to write, - for standard output; pack and unpack may be given the same one. It appears only when it is complete.")
  var output: FilePath

  @Flag(name: .shortAndLong, help: "Print nothing but errors.")
  var quiet = false

  func validate() throws {
    if output.text == "-", isatty(STDOUT_FILENO) == 1 { throw ValidationError("A weight file is not for a terminal: name a file with --output.") }
  }

  /// - Parameters:
  ///   - part: the part that the copy declares to hold; nil: as the original.
  ///   - keeps: whether a tensor is copied.
  func write(
    _ compression: WeightFileWriter.Compression, part: FilePart? = nil, keeps: (TensorRecord) -> Bool = { _ in true }
  ) throws {
    let source = try WeightFile(path: file.cString)
    let identity = try GeneralSettings(source.metadata).identity
    let writer = try WeightFileWriter(path: output.utf8() == "-" ? "/dev/stdout" : output.utf8(), compression: compression)
    let progress = ProgressLine()
    Interruption.install([SIGINT, SIGTERM, SIGHUP])
    defer { progress.clear() }
    let isComplete = try writer.add(
      contentsOf: source, keeps: keeps,
      goesOn: { done, total in
        progress.show("writing", done, total)
        return !Interruption.isWanted
      })
    guard isComplete else { throw CommandFailure(.interrupted, "the work was interrupted.") }
    if identity.isEmpty { writer.set("general.identity", .bytes(source.identity.bytes)) }
    if let part { writer.set("general.part", .string(part.spelling.description)) }
    try writer.finish()
    progress.clear()
    guard !quiet else { return }
    var status = stat()
    let size = stat(output.output, &status) == 0 && status.st_mode & mode_t(S_IFMT) == mode_t(S_IFREG) ? amount(status.st_size) : "written"
    let line = visible("\(output): \(size), of \(amount(source.byteCount))") + "\n"
    if output.output == "/dev/stdout" { writeToStandardError(line) } else { try writeToStandardOutput(line) }
  }
}
