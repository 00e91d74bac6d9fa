// SPDX-License-Identifier: Apache-2.0
import CFovea
import CheckpointFiles
import Conversion
import DocTags
import Families
import Shims

/// Reads the pages of a document in order into records. The model is loaded when the first page needs it.
struct PageReader {
  let command: ReadCommand
  let store: PageStore
  /// Folder of the figures cut out of pages.
  let figures: String
  let progress = ProgressLine()
  private var loaded: (model: Model, session: Session, identity: String)?

  init(command: ReadCommand, store: PageStore, figures: String) { (self.command, self.store, self.figures) = (command, store, figures) }

  static func figureName(_ page: Int, _ index: Int) -> String { "page-\(paddedNumber(page))-\(index).png" }

  /// How the document was read, for its JSON.
  var description: JSON {
    guard let info = loaded?.model.info else { return .null }
    return [
      "system": .string(String(cString: info.system)), "name": .string(String(cString: info.name)),
      "weight_type": .string(String(cString: info.weight_type)),
    ]
  }

  /// The record of a page, new or from an earlier run.
  mutating func read(_ picture: Picture, _ number: Int, of count: Int) throws -> JSONValue {
    let which = "page \(number) of \(count)"
    progress.show("preparing", number, count)
    if command.textLayer != .never, let (xml, isTurned) = try picture.textLayer() {
      let layer = TextLayer(xml, isTurned: isTurned)
      if command.textLayer == .always || layer.isUsable { return try take(layer, xml, picture, number) }
    }
    let page = try picture.kept()
    let (model, session, identity) = try load()
    let (question, task) = request(model)
    let key = try settings(model, identity, question, task, page)
    if let record = store.record(number, key: key) { return record }

    var options = fovea_generate_options()
    options.max_tokens = command.maxTokens ?? 0
    options.loop_tokens = 300
    options.beams = command.beams.count
    options.deadline_seconds = command.deadline ?? 0
    let (text, result, width, height) = try answer(page, which, model, session, question, task, options)
    progress.clear()
    if Int(result.stop_reason) == FOVEA_STOP_LOOP {
      writeToStandardError("fovea: \(visible(picture.path)): the answer was ended because it began to repeat itself.\n")
    }
    let places = try session.places().filter { $0.is_point == 0 }.map { place -> JSON in
      [
        "phrase": .string(place.phrase.map { String(cString: $0) } ?? ""),
        "box": .array([place.x1, place.y1, place.x2, place.y2].map { .rounded($0) }),
      ]
    }
    var record: JSON = [
      "text": .string(text), "doctags": .bool(model.writesDocTags && DocTags.isMarked(text)), "width": .int(width), "height": .int(height),
      "stop_reason": .string(stopReasonName(result.stop_reason)),
      "generated_tokens": .int(result.generated_tokens),
    ]
    if !places.isEmpty, !model.writesDocTags { record = record.appending(["places": .array(places)]) }
    return try keep(record, page, number, key)
  }

  /// The model's answer about a page, and the page's size in pixels.
  private func answer(
    _ page: Picture, _ which: String, _ model: Model, _ session: Session, _ question: String, _ task: String?, _ options: fovea_generate_options
  ) throws -> (text: String, result: fovea_generate_result, width: Int, height: Int) {
    let decoding = command.pictures.decoding
    let (looking, reading) = ("looking at \(which)", "reading \(which), row")
    if case .capsule = page.source {
      let image = try page.encoded(by: model, decoding, deadline: options.deadline_seconds) { [progress] in progress.show(looking, $0, $1) }
      let (text, result) = try session.generate(question, images: [image], options: options, task: task)
      return (text, result, Int(image.info.width), Int(image.info.height))
    }
    let size = try page.withRows(decoding) { $0.size }
    let (text, result) = try page.read(
      by: session, task == nil ? question : nil, task: task, decoding, tiles: command.views.tiles, mode: command.views.mode, options: options,
      looking: { [progress] in progress.show(looking, $0, $1) }, progress: { [progress] in progress.show(reading, $0, $1) })
    return (text, result, size.width, size.height)
  }

  /// A page whose text layer is used.
  private func take(_ layer: TextLayer, _ xml: String, _ picture: Picture, _ number: Int) throws -> JSONValue {
    let page = try picture.kept()
    let key: JSON = ["page": .string(try page.checksum()), "text_layer": .string(Checksum.of(Array(xml.utf8)))]
    if let record = store.record(number, key: key) { return record }
    let found = try PageFigures(page: page, decoding: command.pictures.decoding).find(texts: layer.elements.compactMap(\.box))
    let boxes = found.figures.map { JSON.array([$0.left, $0.top, $0.right, $0.bottom].map { .int($0) }) }
    let record: JSON = [
      "layer": .string(xml), "turned": .bool(layer.isTurned), "width": .int(found.width), "height": .int(found.height), "figures": .array(boxes),
    ]
    return try keep(record, page, number, key)
  }

  /// Writes figures first, so that everything that a record refers to exists.
  private func keep(_ record: JSON, _ page: Picture, _ number: Int, _ key: JSON) throws -> JSONValue {
    let value = try JSONValue.parse(record.line, file: "record")
    let shell = ReadDocument.Page(number: number, source: page.path, record: value)
    let cut = PageFigures(page: page, decoding: command.pictures.decoding)
    var boxes: [DocTagsElement.Box] = []
    for element in ReadDocument.elements(of: shell, { _, _ in "" }) {
      var element = element
      element.forEachPlacedPicture { if let box = $0.box { boxes.append(box) } }
    }
    for (i, box) in boxes.enumerated() {
      try makeFolder(figures)
      try cut.cut(box, to: figures + "/" + Self.figureName(number, i + 1))
    }
    try store.write(record, number, key: key)
    return value
  }

  private mutating func load() throws -> (model: Model, session: Session, identity: String) {
    if let loaded { return loaded }
    let model = try command.model.load(progress)
    let made = (model, try Session(model), try command.model.identity())
    loaded = made
    return made
  }

  private func request(_ model: Model) -> (question: String, task: String?) {
    if let prompt = command.prompt { return (prompt, nil) }
    let task = command.task ?? PromptTemplate.readingTasks.first { model.tasks.contains($0) }
    return task == nil ? (PromptTemplate.readingQuestion, nil) : ("", task)
  }

  /// Everything that a page's record depends on.
  private func settings(_ model: Model, _ identity: String, _ question: String, _ task: String?, _ page: Picture) throws -> JSON {
    let cacheType = command.model.cacheType?.rawValue ?? ""
    let settings: JSON = [
      "page": .string(try page.checksum()), "model": .string(String(cString: model.info.name)),
      "system": .string(String(cString: model.info.system)), "weight_type": .string(String(cString: model.info.weight_type)),
      "identity": .string(identity), "context_length": .int(command.model.contextLength ?? 0),
      "cache_type": .string(cacheType), "prompt": .string(question), "task": task.map { .string($0) } ?? .null,
      "tiles": .int(command.views.tiles), "mode": command.views.mode.map { .string($0) } ?? .null, "max_tokens": .int(command.maxTokens ?? 0),
      "pictures": .string(command.pictures.description),
    ]
    // Records of pages read without beams, as all once were, stay what they are.
    return command.beams.count == 1 ? settings : settings.appending(["beams": .int(command.beams.count)])
  }
}
