// SPDX-License-Identifier: Apache-2.0
import CFovea

/// A failed call of the library, with its message.
struct LibraryFailure: Error {
  let status: fovea_status
  let message: String

  init(_ status: fovea_status, session: OpaquePointer? = nil) {
    self.status = status
    message = String(cString: fovea_last_error(session))
  }
  init(status: Int, _ message: String) { (self.status, self.message) = (fovea_status(status), message) }

  var name: String { String(cString: fovea_status_name(status)) }

  static func check(_ status: fovea_status, session: OpaquePointer? = nil) throws(LibraryFailure) {
    if status != fovea_status(FOVEA_OK) { throw LibraryFailure(status, session: session) }
  }
}

/// Load options of the models.
struct LoadSettings: Sendable {
  var sessions = 2
  var threads = 0
  var contextLength = 0
  var cacheType = 0

  func options(budget: UInt64) -> fovea_load_options {
    var options = fovea_load_options()
    options.struct_size = MemoryLayout<fovea_load_options>.size
    options.sessions = Int32(sessions)
    options.threads = Int32(threads)
    options.context_length = Int32(contextLength)
    options.cache_type = fovea_cache_type(cacheType)
    options.memory_budget = budget
    return options
  }
}

/// A loaded weight file. Any thread may use it.
final class LoadedModel: @unchecked Sendable {
  let pointer: OpaquePointer

  /// - Parameter budget: bytes the library may hold for it.
  init(path: String, settings: LoadSettings, budget: UInt64) throws(LibraryFailure) {
    var options = settings.options(budget: budget)
    var model: OpaquePointer?
    try LibraryFailure.check(fovea_load(path, &options, &model))
    guard let model else { throw LibraryFailure(status: FOVEA_ERROR_INTERNAL, "no model") }
    pointer = model
  }

  deinit { fovea_model_free(pointer) }

  static func plan(path: String, settings: LoadSettings) throws(LibraryFailure) -> fovea_memory_plan {
    var options = settings.options(budget: 0)
    var plan = fovea_memory_plan()
    plan.struct_size = MemoryLayout<fovea_memory_plan>.size
    try LibraryFailure.check(fovea_plan(path, &options, &plan))
    return plan
  }

  var memory: fovea_memory_use {
    var use = fovea_memory_use()
    use.struct_size = MemoryLayout<fovea_memory_use>.size
    _ = fovea_model_memory(pointer, &use)
    return use
  }

  var info: fovea_model_info {
    var info = fovea_model_info()
    info.struct_size = MemoryLayout<fovea_model_info>.size
    _ = fovea_model_get_info(pointer, &info)
    return info
  }

  /// A metadata value; nil if absent.
  func metadata(_ key: String) -> JSON? {
    var length = 0
    guard fovea_model_metadata_json(pointer, key, nil, 0, &length) == fovea_status(FOVEA_OK) else { return nil }
    var buffer = [CChar](repeating: 0, count: length + 1)
    guard fovea_model_metadata_json(pointer, key, &buffer, buffer.count, &length) == fovea_status(FOVEA_OK) else { return nil }
    return try? JSONReader.read(String(decoding: buffer.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self))
  }

  /// The text of one token, special tokens included.
  func text(of id: Int32) -> String {
    var buffer = [CChar](repeating: 0, count: 256)
    var length = 0
    let status = withUnsafePointer(to: id) { fovea_detokenize(pointer, $0, 1, Int32(FOVEA_DETOKENIZE_SPECIALS), &buffer, buffer.count, &length) }
    guard status == fovea_status(FOVEA_OK) else { return "" }
    return String(decoding: buffer.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

/// The vectors of one image; released with the last reference.
final class EncodedPicture: @unchecked Sendable {
  let pointer: OpaquePointer
  init(_ pointer: OpaquePointer) { self.pointer = pointer }
  deinit { fovea_image_embedding_release(pointer) }

  var info: fovea_image_info {
    var info = fovea_image_info()
    info.struct_size = MemoryLayout<fovea_image_info>.size
    _ = fovea_image_embedding_get_info(pointer, &info)
    return info
  }

  var bytes: Int { Int(info.tokens) * Int(info.hidden_size) * 4 }

  /// Its size and views, in the form that the web page expects.
  var json: JSON {
    let info = info
    let views: [JSON] = (0..<Int(info.views)).map { index in
      var view = fovea_image_view()
      view.struct_size = MemoryLayout<fovea_image_view>.size
      _ = fovea_image_embedding_get_view(pointer, index, &view)
      return [
        "x": JSON(view.x), "y": JSON(view.y), "width": JSON(view.width), "height": JSON(view.height), "row": JSON(view.row),
        "column": JSON(view.column), "tokens": JSON(view.tokens),
      ]
    }
    return ["width": JSON(info.width), "height": JSON(info.height), "tokens": JSON(info.tokens), "views": .array(views)]
  }
}
