// SPDX-License-Identifier: Apache-2.0
import CFovea
import Fovea
import Testing

/// The functions under test are C's; these only spare the tests some pointers.

func lastError(_ session: OpaquePointer? = nil) -> String { String(cString: fovea_last_error(session)) }

/// A tiny model, loaded, released with the object.
final class Loaded {
  let file: TinyModel
  let handle: OpaquePointer

  init(seed: UInt64 = 1, threads: Int32 = 1, coordinates: String? = nil, hasTurns: Bool = false, budget: UInt64 = 0) throws {
    file = try TinyModel(seed: seed, coordinates: coordinates, hasTurns: hasTurns)
    var options = fovea_load_options()
    options.struct_size = MemoryLayout<fovea_load_options>.size
    options.threads = threads
    options.memory_budget = budget
    var out: OpaquePointer?
    try #require(fovea_load(file.path, &options, &out) == FOVEA_OK, "\(lastError())")
    handle = try #require(out)
  }

  deinit { fovea_model_free(handle) }

  func image(width: Int32 = 40, height: Int32 = 30, seed: UInt8 = 1) throws -> OpaquePointer {
    var out: OpaquePointer?
    let pixels = pixels(width: Int(width), height: Int(height), seed: seed)
    try #require(fovea_encode_image_pixels(handle, pixels, width, height, 0, nil, &out) == FOVEA_OK, "\(lastError())")
    return try #require(out)
  }

  func session() throws -> OpaquePointer {
    var out: OpaquePointer?
    try #require(fovea_session_create(handle, nil, &out) == FOVEA_OK, "\(lastError())")
    return try #require(out)
  }
}

func pixels(width: Int, height: Int, seed: UInt8 = 1) -> [UInt8] {
  (0..<3 * width * height).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 / 97) &+ seed }
}

/// Options that make `tokens` tokens and never stop at an end token, which random weights make at any moment.
func generateOptions(tokens: Int32 = 8) -> fovea_generate_options {
  var options = fovea_generate_options()
  options.struct_size = MemoryLayout<fovea_generate_options>.size
  options.max_tokens = tokens
  options.ignore_eos = 1
  return options
}

/// Ids of an answer, or the failure.
func ids(
  _ session: OpaquePointer, _ prompt: String, _ images: [OpaquePointer?] = [], tokens: Int = 8,
  _ change: (inout fovea_generate_options) -> Void = { _ in }
) -> (status: fovea_status, ids: [Int32]) {
  var options = generateOptions(tokens: Int32(tokens))
  change(&options)
  var ids = [Int32](repeating: -1, count: tokens)
  var count = 0
  let status = fovea_generate_ids(session, prompt, images, images.count, &options, nil, &ids, ids.count, &count)
  return (status, Array(ids.prefix(count)))
}
