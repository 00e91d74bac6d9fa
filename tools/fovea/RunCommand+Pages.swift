// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CFovea
import Shims

/// How the answers about several pages are written one after another.
enum PageFormat: String, ExpressibleByArgument, CaseIterable {
  /// A form feed between pages.
  case text
  /// A rule between pages.
  case markdown
  /// A LaTeX document, a new page for each.
  case latex

  var beginning: String {
    switch self {
    case .text, .markdown: ""
    case .latex:
      "\\documentclass{article}\n\\usepackage{amsmath,amssymb,graphicx,multirow}\n\\begin{document}\n"
    }
  }

  var between: String {
    switch self {
    case .text: "\n\u{C}"
    case .markdown: "\n\n---\n\n"
    case .latex: "\n\\newpage\n"
    }
  }

  var end: String { self == .latex ? "\n\\end{document}\n" : "\n" }
}

/// A document page: an image file, or a page of a PDF file.
private enum Page {
  case image(String)
  case pdf(PDFDocument, number: Int)

  var name: String {
    switch self {
    case .image(let path): path
    case .pdf(let document, let number): "\(document.path), page \(number)"
    }
  }
}

extension RunCommand {
  /// Whether each image is a page that is asked about by itself.
  var readsPages: Bool { pages || image.contains { PDFDocument.isOne($0) } }

  /// Reads page after page; nothing of a page is kept but, for JSON, its text.
  func answerPages() throws {
    let progress = ProgressLine()
    var all: [Page] = []
    for path in image {
      guard PDFDocument.isOne(path) else {
        all.append(.image(path))
        continue
      }
      let document = try PDFDocument(path: path)
      all += (1...document.pages).map { .pdf(document, number: $0) }
    }
    let model = try model.load(progress)
    let session = try Session(model)
    cancelOnInterrupt(session)
    let question = try find ?? promptText()
    var reports: [JSON] = []
    if !json { writeToStandardOutput(outputFormat.beginning) }
    for (i, page) in all.enumerated() {
      let which = "page \(i + 1) of \(all.count)"
      let started = monotonic_nanoseconds()
      let picture = try encode(page, "encoding \(which)", model, progress)
      let encoded = monotonic_nanoseconds()
      if !json, i > 0 { writeToStandardOutput(outputFormat.between) }
      var options = generateOptions()
      if loopTokens == nil { options.loop_tokens = 300 }
      var made = 0
      let (text, result) = try session.generate(
        question, images: [picture], regions: try regions.regions(), options: options, task: chosenTask, stops: stop,
        progress: { progress.show("reading \(which)", $0, $1) },
        onText: { [json] piece in
          made += 1
          progress.clear()
          if json { progress.show("answering about \(which), token", made, max(made, 1)) } else { writeAll(piece, to: STDOUT_FILENO) }
        })
      progress.clear()
      if Int(result.stop_reason) == FOVEA_STOP_LOOP {
        writeToStandardError("fovea: \(page.name): the answer was ended because it began to repeat itself.\n")
      }
      guard json else { continue }
      reports.append([
        "page": .int(i + 1), "source": .string(page.name), "text": .string(text),
        "stop_reason": .string(stopReasonName(result.stop_reason)), "prompt_tokens": .int(result.prompt_tokens),
        "generated_tokens": .int(result.generated_tokens),
        "seconds": [
          "encode": .rounded(Double(encoded &- started) / 1e9), "prefill": .rounded(result.prefill_seconds),
          "decode": .rounded(result.decode_seconds),
        ],
      ])
    }
    guard json else { return writeToStandardOutput(outputFormat.end) }
    let report: JSON = ["pages": .array(reports), "model": describe(model)]
    writeToStandardOutput(report.text() + "\n")
  }

  private func encode(_ page: Page, _ what: String, _ model: Model, _ progress: ProgressLine) throws -> EncodedImage {
    switch page {
    case .image(let path): return try encode(path, what, model, progress)
    case .pdf(let document, let number):
      let bytes = try document.page(number, dotsPerInch: dotsPerInch)
      return try encode(bytes, what, model, progress)
    }
  }
}
