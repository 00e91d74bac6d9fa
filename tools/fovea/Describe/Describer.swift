// SPDX-License-Identifier: Apache-2.0
import CFovea
import Images
import Shims

/// Monkey's multi-level description (arXiv:2311.06607 §3.2) with one model in every role: a caption of the image, captions of regions,
/// the texts in them, and the model's own judgement whether a caption fits.
struct Describer {
  struct Prompts {
    /// Nil: the model's task `caption`, or a plain request.
    var caption, region, text: String?
    /// Asks for objects with their boxes; nil: the model's task `detect`.
    var ground: String?
    /// `{caption}` is replaced by the caption to judge.
    var match = "Does the picture show this: {caption}? Answer with yes or no."
  }

  let model: Model
  let session: Session
  let reading: DecodingOptions
  var prompts = Prompts()
  var filter = Description.Filter()
  /// Cells of the grid that are described, rows by columns; 0 × 0: none.
  var rows = 2, columns = 2
  /// Most named regions of an image; the largest are kept.
  var mostNamed = 20
  var captionTokens: Int32 = 250
  var regionTokens: Int32 = 30
  var textTokens: Int32 = 100
  var placeTokens: Int32 = 512
  var readsTexts = true, summarises = true
  /// True: the model also names objects and their boxes, besides those that the caller names.
  var grounds = false
  /// Called between the steps of an image, with steps done and in all.
  var progress: (Int, Int) -> Void = { _, _ in }

  /// Decodes the picture again for each of its parts, so that only what encoding needs is held.
  /// - Parameter boxes: given by the caller.
  func describe(_ picture: Picture, boxes: [NormalisedBox]) throws -> Description {
    let picture = try picture.kept()
    var result = Description(image: picture.name)
    let cells = NormalisedBox.grid(rows: rows, columns: columns)
    var steps = 1 + boxes.count + cells.count + (summarises ? 1 : 0)
    progress(0, steps)
    let whole = try picture.encoded(by: model, reading)
    result.caption = try ask(prompts.caption, task: "caption", or: "Describe the picture in detail.", whole, captionTokens).text

    var named = boxes.map { Place(box: $0, phrase: "", score: 1) }
    if grounds { named += try places(prompts.ground, task: "detect", or: "List all objects with their places.", whole) }
    named = Array(named.sorted { $0.box.area > $1.box.area }.prefix(mostNamed))
    steps = 1 + named.count + cells.count + (summarises ? 1 : 0)
    // A model that reads text with boxes does so once, for the whole image.
    let readsPlaces = readsTexts && prompts.text == nil && model.tasks.contains("ocr")
    if readsPlaces {
      result.texts = try places(nil, task: "ocr", or: "", whole).filter { !$0.phrase.isEmpty }
        .map { Description.Region(caption: $0.phrase, box: $0.box, score: $0.score) }
    }

    for (i, place) in (named + cells.map { Place(box: $0, phrase: "", score: 1) }).enumerated() {
      progress(1 + i, steps)
      let box = place.box
      let pixels = box.pixels(width: Int(whole.info.width), height: Int(whole.info.height))
      let crop = try picture.encoded(by: model, reading, crop: pixels)
      let caption =
        place.phrase.isEmpty
        ? try ask(prompts.region, task: "caption", or: "Describe the picture briefly.", crop, regionTokens).text : place.phrase
      if !caption.isEmpty {
        let region = Description.Region(caption: caption, box: box, score: try match(caption, crop))
        if i < named.count { result.named.append(region) } else { result.cells.append(region) }
      }
      // Texts are read by cell; in named regions only without cells.
      if readsTexts, !readsPlaces, i >= named.count || cells.isEmpty, let text = try read(crop, box) { result.texts.append(text) }
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

  /// A box from the model or the caller.
  private struct Place {
    var box: NormalisedBox
    var phrase: String
    /// Geometric mean of its tokens' probabilities.
    var score: Double
  }

  /// The boxes that the model's answer names; those outside the image are omitted.
  private func places(_ prompt: String?, task: String, or plain: String, _ image: EncodedImage) throws -> [Place] {
    _ = try ask(prompt, task: task, or: plain, image, placeTokens)
    let (width, height) = (Double(image.info.width), Double(image.info.height))
    return try session.places().compactMap { place in
      let corners = [place.x1 / width, place.y1 / height, place.x2 / width, place.y2 / height].map { min(max($0, 0), 1) }
      guard place.is_point == 0, let box = NormalisedBox(corners) else { return nil }
      return Place(
        box: box, phrase: tidy(place.phrase.map { String(cString: $0) } ?? ""),
        score: exp(place.log_probability / Double(max(place.tokens, 1))))
    }
  }

  /// P(yes) / (P(yes) + P(no)).
  private func match(_ caption: String, _ image: EncodedImage) throws -> Double {
    let question = prompts.match.split(separator: "{caption}", omittingEmptySubsequences: false).joined(separator: caption)
    let words = ["yes", "Yes", "no", "No"]
    let scores = try session.score(question, images: [image], continuations: words)
    let top = scores.max() ?? 0
    let (yes, no) = (exp(scores[0] - top) + exp(scores[1] - top), exp(scores[2] - top) + exp(scores[3] - top))
    return yes / (yes + no)
  }

  /// The text in a part of the image, scored by the geometric mean of its tokens' probabilities.
  private func read(_ image: EncodedImage, _ box: NormalisedBox) throws -> Description.Region? {
    let answer = try ask(prompts.text, task: "read", or: "Read all the text in the image.", image, textTokens)
    guard !answer.text.isEmpty else { return nil }
    let score = try session.score(answer.question, images: [image], continuations: [answer.text], task: answer.task)[0]
    let tokens = try model.tokenCount(answer.text)
    return Description.Region(caption: answer.text, box: box, score: exp(score / Double(max(tokens, 1))))
  }

  /// Nil where the descriptions do not fit into the model's context.
  private func summary(_ found: Description) throws -> String? {
    do { return tidy(try session.generate(found.summaryPrompt, images: [], options: options(captionTokens)).text) } catch let error
      as LibraryError where error.status == FOVEA_ERROR_CONTEXT
    { return nil }
  }

  private func options(_ tokens: Int32) -> fovea_generate_options {
    var options = fovea_generate_options()
    options.max_tokens = tokens
    return options
  }

  /// One line, with single spaces.
  private func tidy(_ text: String) -> String { text.split(whereSeparator: \.isWhitespace).joined(separator: " ") }
}
