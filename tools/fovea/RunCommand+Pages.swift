// SPDX-License-Identifier: Apache-2.0
import CFovea
import Shims

extension RunCommand {
  /// Answers page by page; only the text of a page is kept, for JSON. An unreadable page is reported and its place left empty.
  func answerPages(_ question: String, _ pages: [Picture]) throws {
    let progress = ProgressLine()
    defer { progress.clear() }
    let model = try model.load(progress)
    let session = try Session(model)
    let converts = try isConverted(model)
    let format = outputFormat ?? (model.writesDocTags ? .doctags : .markdown)
    var reports: [JSON] = pages.enumerated().map { ["page": .int($0 + 1), "source": .string($1.path)] }
    if !json { try writeToStandardOutput(format.beginning) }
    let failed = try pages.workThrough("the answer", progress) { i, page in
      if !json, i > 0 { try writeToStandardOutput(format.between) }
      let report = try answer(question, page, "page \(i + 1) of \(pages.count)", converts ? format : nil, session, model, progress)
      if json { reports[i] = reports[i].appending(report) }
    }
    if json {
      for (i, error) in failed { reports[i] = reports[i].appending(["error": .string(error.description)]) }
      let report: JSON = ["pages": .array(reports), "model": describe(model)]
      try writeToStandardOutput(report.text() + "\n")
    } else {
      try writeToStandardOutput(format.end)
    }
    if !failed.isEmpty { throw CommandFailure(.data, "\(failed.count) of \(pages.count) pages could not be read.") }
  }

  /// Asks about one page. The answer goes to standard output, or with `--json` to the report.
  /// - Parameter format: what the answer is converted to; nil: streamed unchanged.
  private func answer(
    _ question: String, _ page: Picture, _ which: String, _ format: PageFormat?, _ session: Session, _ model: Model, _ progress: ProgressLine
  ) throws -> JSON {
    let started = monotonic_nanoseconds()
    let images = try encode(page, "encoding \(which)", model, progress)
    let encoded = monotonic_nanoseconds()
    var options = generateOptions()
    if loopTokens == nil { options.loop_tokens = 300 }
    var made = 0
    let (text, result) = try session.generate(
      question, images: images, regions: try regions.regions(of: images.first), options: options, task: chosenTask, stops: stop,
      constraint: constraints.constraint(),
      progress: { progress.show("reading \(which)", $0, $1) },
      onText: { [json] (piece) throws(CommandFailure) in
        made += 1
        progress.clear()
        if json || format != nil {
          progress.show("answering about \(which), token", made, max(made, 1))
        } else {
          try writeToStandardOutput(piece)
        }
      })
    progress.clear()
    if !json, let format { try writeToStandardOutput(format.text(text)) }
    if Int(result.stop_reason) == FOVEA_STOP_LOOP {
      writeToStandardError("fovea: \(visible(page.path)): the answer was ended because it began to repeat itself.\n")
    }
    let report: JSON = [
      "text": .string(text), "stop_reason": .string(stopReasonName(result.stop_reason)), "prompt_tokens": .int(result.prompt_tokens),
      "generated_tokens": .int(result.generated_tokens),
      "seconds": [
        "encode": .rounded(Double(encoded &- started) / 1e9), "prefill": .rounded(result.prefill_seconds),
        "decode": .rounded(result.decode_seconds),
      ],
    ]
    return report.appending(document(text, format))
  }
}
