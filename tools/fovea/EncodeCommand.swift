// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CFovea
import Glibc

struct EncodeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "encode", abstract: "Encode images into capsules, which answer in their place.",
    discussion: """
      Each image becomes NAME\(Capsule.ending) in the output folder, folders within a given folder likewise. A capsule holds the image's vectors for one \
      model: fovea run --image NAME\(Capsule.ending) answers from it, also on a machine whose weight file has no encoder (fovea split --no-vision). \
      Images that cannot be read are named, and so are capsules, and the exit status is then 65; capsules in the output folder are passed over. \
      Exit status: \(ExitStatus.list).
      """)

  @OptionGroup var model: ModelOptions

  @Argument(help: "PNG and JPEG files, folders of them, PDF files, pipes, - for standard input.")
  var inputs: [FilePath]

  @Option(name: [.short, .customLong("output")], help: "Folder to write to; made where there is none.")
  var output: FilePath

  @Flag(name: .customLong("f16"), help: "Numbers as f16, half the bytes; answers may differ in rare words.")
  var halves = false

  @OptionGroup var views: ViewOptions
  @OptionGroup var pictures: PictureOptions

  func run() throws {
    let list = try PictureList(inputs, writingTo: output)
    try list.requireDistinctNames()
    try requireSeparate(list.pictures.map(capsule(of:)), from: list.files, [self.model.file])
    try makeFolder(output)
    let progress = ProgressLine()
    defer { progress.clear() }
    let model = try model.load(progress)
    let failed = try list.pictures.workThrough("encoding", progress) { number, picture in
      try encode(picture, model) { progress.show("encoding image \(number + 1) of \(list.pictures.count)", $0, $1) }
    }
    if !failed.isEmpty { throw CommandFailure(.data, "\(failed.count) of \(list.pictures.count) images could not be read.") }
  }

  private func encode(_ picture: Picture, _ model: Model, _ progress: @escaping (Int, Int) -> Void) throws {
    if case .capsule(let file) = picture.source {
      throw LibraryError(status: fovea_status(FOVEA_ERROR_IMAGE), description: "\(file): is a capsule already.")
    }
    let image = try picture.encoded(by: model, pictures.decoding, tiles: views.tiles, mode: views.mode, progress: progress)
    var folder = output
    for part in picture.name.split(separator: "/").dropLast() {
      folder = folder.appending(Array(part.utf8))
      try makeFolder(folder)
    }
    try image.save(to: capsule(of: picture), halves: halves)
  }

  private func capsule(of picture: Picture) -> FilePath { output.appending(Array((picture.name + Capsule.ending).utf8)) }

  private func makeFolder(_ path: FilePath) throws(CommandFailure) {
    if mkdir(path.cString, 0o777) == 0 { return }
    let code = errno
    var status = stat()
    guard stat(path.cString, &status) == 0, status.st_mode & mode_t(S_IFMT) == mode_t(S_IFDIR) else {
      throw CommandFailure(.cannotCreate, "\(path): cannot be made: \(String(cString: strerror(code))).")
    }
  }
}
