// SPDX-License-Identifier: Apache-2.0
import CFovea
import Images
import Shims

/// Monkey's multi-level description (arXiv:2311.06607 §3.2) with one model in every role: a caption of the whole, captions of regions,
/// the texts in them, and the model's own word on whether a caption fits.
struct Describer {
  struct Prompts {
    /// Nil: the model's task `caption`, or a plain request.
    var caption, region, text: String?
    /// `{caption}` stands for the caption in question.
    var match = "Does the picture show this: {caption}? Answer with yes or no."
  }

  let model: Model
  let session: Session
  var prompts = Prompts()
  var filter = Description.Filter()
  /// Cells of the grid that are described, rows by columns; 0 × 0: none.
  var rows = 2, columns = 2
  /// Most named regions of an image; the largest are kept.
  var mostNamed = 20
  var captionTokens: Int32 = 250
  var regionTokens: Int32 = 30
  var textTokens: Int32 = 100
  var readsTexts = true, summarises = true
  /// Called between the steps of an image with steps done and in all.
  var progress: (Int, Int) -> Void = { _, _ in }

  /// - Parameter boxes: places that the caller names.
  func describe(_ image: RGBImage, name: String, boxes: [NormalisedBox]) throws -> Description {
    var result = Description(image: name)
    let named = boxes.sorted { $0.area > $1.area }.prefix(mostNamed)
    let cells = NormalisedBox.grid(rows: rows, columns: columns)
    let steps = 1 + named.count + cells.count + (summarises ? 1 : 0)
    progress(0, steps)
    let whole = try encode(image)
    result.caption = try ask(prompts.caption, task: "caption", or: "Describe the picture in detail.", whole, captionTokens).text

    for (i, box) in (Array(named) + cells).enumerated() {
      progress(1 + i, steps)
      let crop = try encode(part(image, box))
      let caption = try ask(prompts.region, task: "caption", or: "Describe the picture briefly.", crop, regionTokens).text
      if !caption.isEmpty {
        let region = Description.Region(caption: caption, box: box, score: try match(caption, crop))
        if i < named.count { result.named.append(region) } else { result.cells.append(region) }
      }
      // Texts are read cell by cell; in named regions only where there are no cells.
      if readsTexts, i >= named.count || cells.isEmpty, let text = try read(crop, box) { result.texts.append(text) }
    }
    result.filter(filter)
    if summarises {
      progress(steps - 1, steps)
      result.summary = try summary(result)
    }
    progress(steps, steps)
    return result
  }

  // MARK: questions

  private func ask(
    _ prompt: String?, task: String, or plain: String, _ image: EncodedImage, _ tokens: Int32
  ) throws -> (text: String, question: String, task: String?) {
    let usesTask = prompt == nil && model.tasks.contains(task)
    let (question, task) = usesTask ? ("", task) : (prompt ?? plain, nil)
    let answer = try session.generate(question, images: [image], options: options(tokens), task: task)
    return (tidy(answer.text), question, task)
  }

  /// Probability of yes against no.
  private func match(_ caption: String, _ image: EncodedImage) throws -> Double {
    let question = prompts.match.split(separator: "{caption}", omittingEmptySubsequences: false).joined(separator: caption)
    let words = ["yes", "Yes", "no", "No"]
    let scores = try session.score(question, images: [image], continuations: words)
    let top = scores.max() ?? 0
    let (yes, no) = (exp(scores[0] - top) + exp(scores[1] - top), exp(scores[2] - top) + exp(scores[3] - top))
    return yes / (yes + no)
  }

  /// What is written in a part of the image, scored by the geometric mean of its tokens' probabilities.
  private func read(_ image: EncodedImage, _ box: NormalisedBox) throws -> Description.Region? {
    let answer = try ask(prompts.text, task: "read", or: "Read all the text in the image.", image, textTokens)
    guard !answer.text.isEmpty else { return nil }
    let score = try session.score(answer.question, images: [image], continuations: [answer.text], task: answer.task)[0]
    let tokens = try model.tokenCount(answer.text)
    return Description.Region(caption: answer.text, box: box, score: exp(score / Double(max(tokens, 1))))
  }

  /// Nil where the descriptions do not fit into the model's context.
  private func summary(_ found: Description) throws -> String? {
    do throws(LibraryError) {
      return tidy(try session.generate(found.summaryPrompt, images: [], options: options(captionTokens)).text)
    } catch where error.status == FOVEA_ERROR_CONTEXT { return nil }
  }

  private func options(_ tokens: Int32) -> fovea_generate_options {
    var options = fovea_generate_options()
    options.max_tokens = tokens
    return options
  }

  /// One line without blanks around.
  private func tidy(_ text: String) -> String { text.split(whereSeparator: \.isWhitespace).joined(separator: " ") }

  // MARK: pictures

  private func part(_ image: RGBImage, _ box: NormalisedBox) throws -> RGBImage {
    let p = box.pixels(width: image.width, height: image.height)
    do throws(ImageError) { return try image.cropped(x: p.x, y: p.y, width: p.width, height: p.height) } catch {
      throw LibraryError(status: fovea_status(FOVEA_ERROR_MEMORY), description: error.description)
    }
  }

  private func encode(_ image: RGBImage) throws -> EncodedImage {
    try EncodedImage(isUpright: false, deadline: 0, progress: { _, _ in }) { options, out in
      fovea_encode_image_pixels(
        model.handle, image.pixels, Int32(image.width), Int32(image.height), image.stride, options, out)
    }
  }
}
