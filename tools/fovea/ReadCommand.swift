// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CFovea
import Conversion
import DocTags
import Images
import Shims

struct ReadCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "read",
    abstract: "Read a document as a whole: PDF files or pictures of pages in, one Markdown, HTML or JSON file out.",
    discussion: """
      Pages of PDF files are drawn by poppler and read by the model, each by itself. Models that answer in DocTags keep headings, tables, \
      formulas and figures with their places; the figures are cut out into a folder beside the document and linked. Other models' answers \
      are taken as they are. Headers and footers that pages repeat are left out, and every page begins with an anchor, page-1 and so on. \
      A record of each page is kept in OUTPUT.pages: stopped at any moment, the same command goes on where it was, and another format is \
      made without reading again; the folder may be removed afterwards. A page that cannot be read is named and passed over, and the exit \
      status is then 65. Exit status: \(ExitStatus.list).
      """
  )

  enum Format: String, ExpressibleByArgument, CaseIterable { case markdown, html, json }

  /// When the text layer of a PDF file is used instead of the model.
  enum TextLayerUse: String, ExpressibleByArgument, CaseIterable { case auto, always, never }

  @OptionGroup var model: ModelOptions

  @Argument(help: "PDF, PNG and JPEG files, folders of them, - for standard input: the pages of one document, in this order.")
  var inputs: [FilePath]

  @Option(name: [.short, .customLong("output")], help: "The document to write.")
  var output: FilePath

  @Option(help: "markdown, html or json; without it by the ending of the output: .html, .json, anything else is Markdown.")
  var format: Format?

  @Option(
    help: """
      Take the text that pages of PDF files hold instead of reading them: never, auto (where there is one that makes sense), always. It \
      has paragraphs, headings and figures, but neither tables nor formulas; no model is loaded where none is needed.
      """)
  var textLayer = TextLayerUse.never

  @Option(
    name: [.short, .customLong("prompt")], parsing: .unconditional, help: "The request; without it the model's own task for documents.",
    transform: validText)
  var prompt: String?

  @Option(help: "One of the model's own forms of a prompt; fovea inspect lists them as prompt.tasks.", transform: validText)
  var task: String?

  @Option(name: .customLong("dpi"), help: "Dots per inch that pages of PDF files are drawn with.")
  var dotsPerInch = 200

  @OptionGroup var views: ViewOptions

  @Option(parsing: .unconditional, help: "Most tokens of a page; without it until the answer ends or the context is full.")
  var maxTokens: Int32?

  @OptionGroup var beams: BeamOptions

  @Option(parsing: .unconditional, help: "Seconds allowed for reading a page.")
  var deadline: Double?

  @Flag(help: "Leave headers and footers in that pages repeat.")
  var keepRepeated = false

  @OptionGroup var pictures: PictureOptions

  func validate() throws {
    if output.isStandardInput { throw ValidationError("--output must be a file: figures and records are kept beside it.") }
    if prompt != nil, task != nil { throw ValidationError("--prompt and --task exclude each other.") }
    if let maxTokens, maxTokens < 1 { throw ValidationError("--max-tokens must be at least 1.") }
    if let deadline, !(deadline > 0) { throw ValidationError("--deadline must be above 0.") }
    if !(1...2400).contains(dotsPerInch) { throw ValidationError("--dpi must be 1 to 2400.") }
  }

  func run() throws {
    let path = try output.utf8()
    var status = stat()
    guard stat(output.cString, &status) != 0 || status.st_mode & mode_t(S_IFMT) == mode_t(S_IFREG) else {
      throw CommandFailure(.usage, "\(output): not a regular file: figures and records are kept beside it.")
    }
    let list = try PictureList(inputs, dotsPerInch: dotsPerInch, leavingOut: [path + ".figures", path + ".pages"])
    try requireSeparate([output], from: list.files, [model.file])
    Interruption.install()
    var reader = PageReader(command: self, store: try PageStore(folder: path + ".pages"), figures: path + ".figures")
    let progress = reader.progress
    defer { progress.clear() }
    var pages: [ReadDocument.Page] = []
    let failed = try list.pictures.workThrough("reading", progress) { i, picture in
      pages.append(ReadDocument.Page(number: i + 1, source: picture.path))
      pages[i].record = try reader.read(picture, i + 1, of: list.pictures.count)
    }
    try Interruption.check("reading")
    let name = inputs.map(\.name).joined(separator: ", ")
    let folder = output.name + ".figures"
    let document = ReadDocument(
      name: name, pages: pages, model: reader.description, figure: { "\(linked(folder))/\(PageReader.figureName($0, $1))" },
      keepsRepeated: keepRepeated)
    let text: String
    switch format ?? Self.format(of: output.name) {
    case .markdown: text = document.markdown
    case .html: text = document.html
    case .json: text = document.json.text() + "\n"
    }
    try writeFile(path, text)
    if !failed.isEmpty { throw CommandFailure(.data, "\(failed.count) of \(pages.count) pages could not be read.") }
  }

  private static func format(of name: String) -> Format {
    let name = name.lowercased()
    return name.hasSuffix(".html") || name.hasSuffix(".htm") ? .html : name.hasSuffix(".json") ? .json : .markdown
  }

  /// A file name, escaped for links.
  private func linked(_ name: String) -> String {
    var out = ""
    for byte in name.utf8 {
      let isPlain = byte >= 0x80 || byte > 0x20 && !"%()<>\"\\[]?#".utf8.contains(byte)
      if byte < 0x80 && isPlain {
        out.unicodeScalars.append(Unicode.Scalar(byte))
      } else {
        out += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
      }
    }
    return out
  }
}
