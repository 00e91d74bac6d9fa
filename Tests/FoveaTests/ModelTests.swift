// SPDX-License-Identifier: Apache-2.0
import CFovea
import Foundation
import Fovea
import Testing

struct ModelTests {
  @Test func itsFactsAreTheFiles() throws {
    let model = try Loaded(threads: 2)
    var info = fovea_model_info()
    info.struct_size = MemoryLayout<fovea_model_info>.size
    #expect(fovea_model_get_info(model.handle, &info) == FOVEA_OK)
    #expect(info.struct_size == MemoryLayout<fovea_model_info>.size)
    #expect(String(cString: info.system) == "llava")
    #expect(String(cString: info.name) == "tiny \"quoted\"")
    #expect(String(cString: info.weight_type) == "f32")
    #expect(["scalar", "sse41", "avx2", "avxvnni", "avx512", "neon", "dotprod", "i8mm"].contains(String(cString: info.instruction_set)))
    #expect(info.context_length == Int32(TinyModel.context))
    #expect(info.vocab_size == Int32(TinyModel.vocabulary))
    #expect(info.hidden_size == Int32(TinyModel.hidden))
    #expect(info.image_tokens == 4)
    #expect(info.threads == 2)
    #expect(info.bytes_per_token > 0 && info.bytes_per_token < info.weight_bytes)
  }

  @Test func itsMetadataIsJSON() throws {
    let model = try Loaded()
    var found: [String: Any] = [:]
    for i in 0..<fovea_model_metadata_count(model.handle) {
      let key = try #require(fovea_model_metadata_key(model.handle, i))
      var length = 0
      #expect(fovea_model_metadata_json(model.handle, key, nil, 0, &length) == FOVEA_OK)
      var buffer = [CChar](repeating: 1, count: length + 1)
      #expect(fovea_model_metadata_json(model.handle, key, &buffer, buffer.count, &length) == FOVEA_OK)
      #expect(buffer[length] == 0)
      let json = Data(buffer.prefix(length).map { UInt8(bitPattern: $0) })
      found[String(cString: key)] = try JSONSerialization.jsonObject(with: json, options: .fragmentsAllowed)
    }
    #expect(found["general.name"] as? String == "tiny \"quoted\"")
    #expect(found["prompt.template"] as? String == "{system}USER: <image>\n{question} ASSISTANT:")
    #expect(found["vision.imageSize"] as? Int == 28)
    #expect(found["vision.mean"] as? [Double] == [0.5, 0.5, 0.5])
    #expect(found["tokenizer.addBos"] as? Bool == true)
    #expect((found["tokenizer.pieces"] as? [String])?.count == 264)
    #expect(fovea_model_metadata_key(model.handle, fovea_model_metadata_count(model.handle)) == nil)
    #expect(fovea_model_metadata_key(model.handle, -1) == nil)
  }

  @Test func textGoesToTokensAndBack() throws {
    let model = try Loaded()
    let text = "abc € <image>\n"
    var count = 0
    #expect(fovea_tokenize(model.handle, text, text.utf8.count, nil, 0, &count) == FOVEA_OK)
    var ids = [Int32](repeating: -1, count: count)
    #expect(fovea_tokenize(model.handle, text, text.utf8.count, &ids, count - 1, &count) == FOVEA_ERROR_BUFFER)
    #expect(count == ids.count)
    #expect(ids.allSatisfy { $0 == -1 })
    #expect(fovea_tokenize(model.handle, text, text.utf8.count, &ids, ids.count, &count) == FOVEA_OK)
    #expect(ids.allSatisfy { $0 >= 3 && $0 < 264 })
    var length = 0
    #expect(fovea_detokenize(model.handle, ids, ids.count, 0, nil, 0, &length) == FOVEA_OK)
    #expect(length == text.utf8.count)
    var buffer = [CChar](repeating: 1, count: length + 1)
    #expect(fovea_detokenize(model.handle, ids, ids.count, 0, &buffer, length, &length) == FOVEA_ERROR_BUFFER)
    #expect(fovea_detokenize(model.handle, ids, ids.count, 0, &buffer, length + 1, &length) == FOVEA_OK)
    #expect(String(decoding: buffer.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self) == text)
  }

  /// Aligned memory is used in place; what is not aligned is copied and may go.
  @Test(arguments: [0, 16]) func loadingFromMemoryGivesTheSameModel(shift: Int) throws {
    let model = try Loaded()
    let bytes = try Data(contentsOf: URL(fileURLWithPath: model.file.path))
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count + shift, alignment: 64)
    defer { memory.deallocate() }
    do {
      let place = UnsafeMutableRawBufferPointer(rebasing: memory[shift...])
      place.copyBytes(from: bytes)
      var copy: OpaquePointer?
      #expect(fovea_load_memory(place.baseAddress, place.count, nil, &copy) == FOVEA_OK, "\(lastError())")
      var info = fovea_model_info()
      info.struct_size = MemoryLayout<fovea_model_info>.size
      #expect(fovea_model_get_info(copy, &info) == FOVEA_OK)
      #expect((info.resident_bytes == 0) == (shift == 0))
      if shift > 0 { place.initializeMemory(as: UInt8.self, repeating: 0) }
      var session: OpaquePointer?
      #expect(fovea_session_create(copy, nil, &session) == FOVEA_OK)
      let first = try model.session()
      let a = ids(try #require(session), "abc")
      let b = ids(first, "abc")
      #expect(a.status == FOVEA_OK && a.ids == b.ids && a.ids.count == 8)
      fovea_session_free(session)
      fovea_session_free(first)
      fovea_model_free(copy)
    }
  }

  @Test func anUnmappedFileMayBeCut() throws {
    let model = try Loaded()
    let file = try TinyModel()
    var options = fovea_load_options()
    options.struct_size = MemoryLayout<fovea_load_options>.size
    options.no_mapping = 1
    var plan = fovea_memory_plan()
    plan.struct_size = MemoryLayout<fovea_memory_plan>.size
    #expect(fovea_plan(file.path, &options, &plan) == FOVEA_OK)
    #expect(plan.mapped_bytes == 0 && plan.weight_bytes > 0)
    var read: OpaquePointer?
    try #require(fovea_load(file.path, &options, &read) == FOVEA_OK, "\(lastError())")
    defer { fovea_model_free(read) }
    #expect(truncate(file.path, 0) == 0)
    var session: OpaquePointer?
    #expect(fovea_session_create(read, nil, &session) == FOVEA_OK)
    defer { fovea_session_free(session) }
    let first = try model.session()
    defer { fovea_session_free(first) }
    #expect(ids(try #require(session), "abc").ids == ids(first, "abc").ids)
  }

  @Test func thePlanComesBeforeTheModel() throws {
    let file = try TinyModel()
    var plan = fovea_memory_plan()
    plan.struct_size = MemoryLayout<fovea_memory_plan>.size
    #expect(fovea_plan(file.path, nil, &plan) == FOVEA_OK)
    let size = try FileManager.default.attributesOfItem(atPath: file.path)[.size] as? Int
    #expect(plan.file_bytes == UInt64(try #require(size)))
    #expect(plan.mapped_bytes + plan.weight_bytes + plan.session_bytes + plan.scratch_bytes + plan.table_bytes == plan.total_bytes)
    #expect(plan.session_bytes == UInt64(2 * 2 * 16 * TinyModel.context * 4))
    var options = fovea_load_options()
    options.struct_size = MemoryLayout<fovea_load_options>.size
    options.context_length = 48
    var half = plan
    #expect(fovea_plan(file.path, &options, &half) == FOVEA_OK)
    #expect(half.session_bytes * 2 == plan.session_bytes)
    options.cache_type = fovea_cache_type(FOVEA_CACHE_F16)
    var narrow = plan
    #expect(fovea_plan(file.path, &options, &narrow) == FOVEA_OK)
    #expect(narrow.session_bytes * 2 == half.session_bytes)
  }

  @Test func aBudgetBelowThePlanIsRefused() throws {
    let file = try TinyModel()
    var options = fovea_load_options()
    options.struct_size = MemoryLayout<fovea_load_options>.size
    options.memory_budget = 10_000
    var out: OpaquePointer?
    #expect(fovea_load(file.path, &options, &out) == FOVEA_ERROR_MEMORY)
    #expect(out == nil && lastError().contains("10000"))
  }

  @Test func sessionsAndTheImageCount() throws {
    let file = try TinyModel()
    var options = fovea_load_options()
    options.struct_size = MemoryLayout<fovea_load_options>.size
    var one = fovea_memory_plan()
    one.struct_size = MemoryLayout<fovea_memory_plan>.size
    var two = one
    #expect(fovea_plan(file.path, &options, &one) == FOVEA_OK)
    options.sessions = 2
    #expect(fovea_plan(file.path, &options, &two) == FOVEA_OK)
    #expect(two.session_bytes == one.session_bytes && two.total_bytes >= one.total_bytes + one.session_bytes)
    for (sessions, width, height, word) in [(-1, 0, 0, "sessions"), (0, -5, 5, "image_width"), (0, 5, 0, "image_height")] {
      (options.sessions, options.image_width, options.image_height) = (Int32(sessions), Int32(width), Int32(height))
      #expect(fovea_plan(file.path, &options, &two) == FOVEA_ERROR_ARGUMENT)
      #expect(lastError().contains(word))
    }
    (options.sessions, options.image_width, options.image_height) = (0, 1 << 21, 1)
    #expect(fovea_plan(file.path, &options, &two) == FOVEA_ERROR_ARGUMENT)
    // What loading refuses is not planned.
    (options.image_width, options.image_height, options.threads) = (0, 0, 2000)
    #expect(fovea_plan(file.path, &options, &two) == FOVEA_ERROR_ARGUMENT && lastError().contains("threads"))
    (options.sessions, options.threads, options.image_width, options.image_height) = (0, 0, 30, 20)
    // What is planned with the same options leaves no room for a second session.
    #expect(fovea_plan(file.path, &options, &one) == FOVEA_OK)
    options.memory_budget = one.total_bytes
    var model: OpaquePointer?
    #expect(fovea_load(file.path, &options, &model) == FOVEA_OK)
    var first: OpaquePointer?, second: OpaquePointer?
    #expect(fovea_session_create(model, nil, &first) == FOVEA_OK)
    #expect(fovea_session_create(model, nil, &second) == FOVEA_ERROR_MEMORY)
    #expect(second == nil && lastError().contains("session: takes"))
    fovea_session_free(first)
    fovea_model_free(model)
  }

  @Test func progressCanStopLoading() throws {
    let file = try TinyModel()
    var options = fovea_load_options()
    options.struct_size = MemoryLayout<fovea_load_options>.size
    var calls: [(Int, Int)] = []
    withUnsafeMutablePointer(to: &calls) { calls in
      options.progress_user = UnsafeMutableRawPointer(calls)
      options.progress = { user, done, total in
        user!.assumingMemoryBound(to: [(Int, Int)].self).pointee.append((done, total))
        return 0
      }
      var out: OpaquePointer?
      #expect(fovea_load(file.path, &options, &out) == FOVEA_OK)
      fovea_model_free(out)
    }
    #expect(calls.last.map { $0.0 == $0.1 } == true)

    options.progress = { _, _, _ in 1 }
    var out: OpaquePointer?
    #expect(fovea_load(file.path, &options, &out) == FOVEA_ERROR_CANCELLED)
    #expect(out == nil)
  }

  @Test func objectsOutliveTheModelsHandle() throws {
    let file = try TinyModel()
    var model: OpaquePointer?
    #expect(fovea_load(file.path, nil, &model) == FOVEA_OK)
    var image: OpaquePointer?
    let picture = pixels(width: 30, height: 30)
    #expect(fovea_encode_image_pixels(model, picture, 30, 30, 0, nil, &image) == FOVEA_OK)
    var session: OpaquePointer?
    #expect(fovea_session_create(model, nil, &session) == FOVEA_OK)
    fovea_model_free(model)
    #expect(ids(try #require(session), "abc", [image]).status == FOVEA_OK)
    fovea_image_embedding_release(image)
    #expect(ids(try #require(session), "abc").status == FOVEA_OK)
    fovea_session_free(session)
  }
}
