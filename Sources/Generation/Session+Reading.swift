// SPDX-License-Identifier: Apache-2.0
import Families
import Images
import Runtime
import Shims

/// A picture to read: it may be decoded several times.
package struct ReadPicture {
  /// Its rows from the first on; nothing but the header has been read.
  package let rows: () throws(FoveaError) -> any RowSource
  /// See `Model.encode`; nil mode: each of the system's own modes for reading.
  package var tiles: Int?
  package var mode: [UInt8]?
  /// Of each encoding.
  package var progress: ((Int, Int) -> Bool)?

  package init(tiles: Int? = nil, mode: [UInt8]? = nil, progress: ((Int, Int) -> Bool)? = nil, rows: @escaping () throws(FoveaError) -> any RowSource)
  {
    (self.tiles, self.mode, self.progress, self.rows) = (tiles, mode, progress, rows)
  }
}

extension Session {
  /// Answers a prompt about a page, for a caller that holds the session (`exclusively`): in the system's modes for reading one after the other, until
  /// an answer leaves little doubt; that of the highest score counts. An answer that is doubted (`VisionSystem.doubt`) is compared with those
  /// about the two parts of its picture, cut between lines of text, and their parts in turn if they are likelier. A page that would have to
  /// be reduced is cut first, into parts with twice the views that they need, and then hardly doubted: it is large enough to take long. The
  /// answer is that of all parts, joined by line breaks.
  /// - Parameters:
  ///   - options: `alternatives` is implied; `maxTokens` are those of the whole answer; `progress` gets rows that are read and rows in all.
  ///   - onToken: called once for each part.
  package func read(
    _ picture: ReadPicture, prompt: [UInt8], options: GenerateOptions, onToken: @escaping (Int32, [UInt8]) -> Bool
  ) throws(FoveaError) -> GenerateResult {
    var options = options
    options.alternatives = true
    guard options.answers == 1 else { throw .argument("options.answers", "is \(options.answers), a page has one answer") }
    guard !options.echoes else { throw .argument("options.echo", "not for reading a page, which asks more than once") }
    try options.check()
    arm(options)
    return try PageReader(self, ReadPages(picture, model, stop), prompt, options, onToken).read()
  }
}

/// The rows of one picture, and where it may be cut.
private final class ReadPages {
  let size: ImageSize
  private let picture: ReadPicture
  private let model: Model
  private let stop: StopSignal
  private let modes: [[UInt8]?]
  /// Read when it is first asked for.
  private var ink: InkRows?
  /// The picture in memory, where it is small.
  private var held: (image: RGBImage, holding: MemoryHolding?)?

  /// A larger picture is decoded again for each part.
  private static let mostHeldPixels = 1 << 23

  init(_ picture: ReadPicture, _ model: Model, _ stop: StopSignal) throws(FoveaError) {
    (self.picture, self.model, self.stop) = (picture, model, stop)
    size = try picture.rows().size
    let own = model.system.vision.readingModes.map { Optional($0) }
    modes = picture.mode.map { [$0] } ?? (own.isEmpty ? [nil] : own)
  }

  var whole: PageArea { PageArea(x: 0, y: 0, width: size.width, height: size.height) }

  var doubt: Double? { model.system.vision.doubt }

  func crowding(of area: PageArea) -> Double { model.system.vision.crowding(of: ImageSize(width: area.width, height: area.height)) }

  /// The parts that an area is best cut into, top to bottom; fewer than `count` where there are fewer places to cut, the area itself where there
  /// are none.
  func parts(of area: PageArea, _ count: Int) throws(FoveaError) -> [PageArea] {
    let ink = try inkRows()
    var parts: [PageArea] = []
    var top = area.y
    for bottom in ink.cuts(area.y..<area.y + area.height, parts: count) + [area.y + area.height] {
      guard let (columns, rows) = ink.content(top..<bottom) else { return [area] }
      parts.append(PageArea(x: columns.lowerBound, y: rows.lowerBound, width: columns.count, height: rows.count))
      top = bottom
    }
    return parts.count > 1 ? parts : [area]
  }

  /// The model's vectors of an area, in one mode after the other; `body` returns whether to go on.
  func encodings(of area: PageArea, _ body: (ImageEmbedding) throws(FoveaError) -> Bool) throws(FoveaError) {
    for mode in modes {
      var rows = try self.rows()
      if area != whole {
        do throws(ImageError) { rows = try CroppedRows(rows, x: area.x, y: area.y, width: area.width, height: area.height) } catch {
          throw FoveaError(error)
        }
      }
      let image = try model.encode(rows, tiles: picture.tiles, mode: mode, stop: stop, progress: picture.progress)
      guard try body(image) else { return }
    }
  }

  private func rows() throws(FoveaError) -> any RowSource {
    if let held { return PixelRows(held.image) }
    return try picture.rows()
  }

  private func inkRows() throws(FoveaError) -> InkRows {
    if let ink { return ink }
    try hold()
    let rows = try rows()
    do throws(ImageError) {
      let found = try rows.inkRows(room: model.room, isStopped: { [stop] in stop.isStopped })
      ink = found
      return found
    } catch { throw FoveaError(error, stop) }
  }

  /// Decodes the picture once for all parts, where there is room.
  private func hold() throws(FoveaError) {
    let rows = try picture.rows()
    guard !(rows is PixelRows), size.width * size.height <= Self.mostHeldPixels else { return }
    let bytes = 3 * size.width * size.height
    guard let budget = model.budget else {
      held = (try image(rows), nil)
      return
    }
    // Half of what is left is for the encodings.
    guard bytes + rows.workingBytes <= budget.left / 2, let holding = try? budget.hold(bytes, rows.name) else { return }
    held = (try image(rows), holding)
  }

  private func image(_ rows: any RowSource) throws(FoveaError) -> RGBImage {
    do throws(ImageError) { return try rows.image(isStopped: { [stop] in stop.isStopped }) } catch { throw FoveaError(error, stop) }
  }
}

/// A rectangle of a picture, in pixels.
private struct PageArea: Equatable {
  let x, y, width, height: Int
}

/// An answer about an area of a page.
private struct PartAnswer {
  let area: PageArea
  let answer: GenerateResult
  /// ln of the probability of all of its tokens.
  let logProbability: Double

  init(_ area: PageArea, _ answer: GenerateResult, lengthPenalty: Float) {
    (self.area, self.answer) = (area, answer)
    logProbability = answer.ids.isEmpty ? 0 : answer.score * pow(Double(answer.ids.count), Double(lengthPenalty))
  }

  /// Of a token of these answers; nothing read is the least likely.
  static func mean(_ parts: [PartAnswer]) -> Double {
    let count = parts.reduce(0) { $0 + $1.answer.ids.count }
    return count == 0 ? -.infinity : parts.reduce(0) { $0 + $1.logProbability } / Double(count)
  }
}

/// Reads one page.
private final class PageReader {
  private let session: Session
  private let page: ReadPages
  private let prompt: [UInt8]
  private let options: GenerateOptions
  private let onToken: (Int32, [UInt8]) -> Bool
  /// What is read for good, and ln of its probability.
  private var result = GenerateResult()
  private var logProbability = 0.0
  private var isEnded = false
  /// Of all answers, also those that do not count.
  private var (prefillSeconds, decodeSeconds) = (0.0, 0.0)

  /// Whether the page would have to be reduced.
  private let isLarge: Bool
  /// Mean log-probabilities below which an answer is doubted, and below which another mode is tried.
  private let doubted, unsure: Double?

  /// How often a doubted part is cut.
  private static let depth = 3

  init(
    _ session: Session, _ page: ReadPages, _ prompt: [UInt8], _ options: GenerateOptions, _ onToken: @escaping (Int32, [UInt8]) -> Bool
  ) {
    (self.session, self.page, self.prompt, self.options, self.onToken) = (session, page, prompt, options, onToken)
    isLarge = page.doubt != nil && page.crowding(of: page.whole) > 1
    (doubted, unsure) = isLarge ? (page.doubt.map { 3 * $0 }, page.doubt.map { 3 * $0 }) : (page.doubt, page.doubt.map { $0 / 2 })
  }

  func read() throws(FoveaError) -> GenerateResult {
    result.stopReason = .endOfSequence
    for area in try uncrowded(page.whole) where !isEnded {
      for part in try refined(answer(area), depth: Self.depth) { try take(part) }
    }
    if let progress = options.progress, !progress(page.size.height, page.size.height) { throw .runtime(.cancelled) }
    (result.prefillSeconds, result.decodeSeconds) = (prefillSeconds, decodeSeconds)
    return result
  }

  /// The fewest parts of a large page that take half of the views or less, as far as it can be cut.
  private func uncrowded(_ area: PageArea) throws(FoveaError) -> [PageArea] {
    guard isLarge, page.crowding(of: area) > 0.5 else { return [area] }
    let least = max(2, Int(2 * page.crowding(of: area)))
    var parts = [area]
    for count in least..<2 * least {
      parts = try page.parts(of: area, count)
      if parts.allSatisfy({ page.crowding(of: $0) <= 0.5 }) || parts.count < count { break }
    }
    guard parts.count > 1 else { return parts }
    var found: [PageArea] = []
    for part in parts { found += try uncrowded(part) }
    return found
  }

  /// A doubted answer's parts, where they are likelier.
  private func refined(_ whole: PartAnswer, depth: Int) throws(FoveaError) -> [PartAnswer] {
    guard let doubted, depth > 0, PartAnswer.mean([whole]) < doubted else { return [whole] }
    let halves = try page.parts(of: whole.area, 2)
    guard halves.count > 1 else { return [whole] }
    var parts: [PartAnswer] = []
    for half in halves { parts.append(try answer(half)) }
    guard PartAnswer.mean(parts) > PartAnswer.mean([whole]) else { return [whole] }
    var finer: [PartAnswer] = []
    for part in parts { finer += try refined(part, depth: depth - 1) }
    return finer
  }

  /// The likeliest answer about an area.
  private func answer(_ area: PageArea) throws(FoveaError) -> PartAnswer {
    var options = options
    options.maxTokens -= result.ids.count
    if let progress = options.progress { options.progress = { [height = page.size.height] _, _ in progress(area.y, height) } }
    var best: PartAnswer?
    var asked: [UInt64] = []
    try page.encodings(of: area) { (image) throws(FoveaError) in
      if asked.contains(image.identity) { return true }
      asked.append(image.identity)
      let answer = try session.likeliest(.prompt(prompt, images: [image], regions: []), options) { _, _ in true }
      prefillSeconds += answer.prefillSeconds
      decodeSeconds += answer.decodeSeconds
      let part = PartAnswer(area, answer, lengthPenalty: options.lengthPenalty)
      if best.map({ answer.score > $0.answer.score }) ?? true { best = part }
      return unsure.map { PartAnswer.mean([part]) < $0 } ?? true
    }
    return best ?? PartAnswer(area, GenerateResult(), lengthPenalty: 1)
  }

  /// Adds an answer to the result. One that was given before others had their share of the tokens may be too long: it is asked for again.
  private func take(_ part: PartAnswer) throws(FoveaError) {
    guard !isEnded else { return }
    let part = part.answer.ids.count > options.maxTokens - result.ids.count ? try answer(part.area) : part
    let answer = part.answer
    let text = result.text.isEmpty || answer.text.isEmpty ? answer.text : [UInt8(ascii: "\n")] + answer.text
    for var place in answer.places {
      (place.x1, place.y1) = (place.x1 + Double(part.area.x), place.y1 + Double(part.area.y))
      (place.x2, place.y2) = (place.x2 + Double(part.area.x), place.y2 + Double(part.area.y))
      place.tokens = place.tokens.lowerBound + result.ids.count..<place.tokens.upperBound + result.ids.count
      result.places.append(place)
    }
    // Other answers, of a beam search, are about the same area.
    result.others = result.promptTokens == 0 ? answer.others : []
    result.text += text
    result.ids += answer.ids
    result.logProbabilities += answer.logProbabilities
    result.topIds += answer.topIds
    result.topLogProbabilities += answer.topLogProbabilities
    result.top = answer.top
    result.promptTokens += answer.promptTokens
    result.reusedTokens += answer.reusedTokens
    result.draftedTokens += answer.draftedTokens
    result.acceptedTokens += answer.acceptedTokens
    logProbability += part.logProbability
    result.score = result.ids.isEmpty ? answer.score : logProbability / pow(Double(result.ids.count), Double(options.lengthPenalty))
    if result.stopReason == .endOfSequence { result.stopReason = answer.stopReason }
    if let last = answer.ids.last, !text.isEmpty, !onToken(last, text) { (result.stopReason, isEnded) = (.callback, true) }
    if result.ids.count >= options.maxTokens { (result.stopReason, isEnded) = (.maxTokens, true) }
  }
}
