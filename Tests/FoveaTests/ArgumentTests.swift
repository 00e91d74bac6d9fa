// SPDX-License-Identifier: Apache-2.0
import CFovea
import Fovea
import Testing

/// Every class of bad argument is FOVEA_ERROR_ARGUMENT with a text that names the argument.
struct ArgumentTests {
  @Test func nullHandlesAndPointersAreRefused() throws {
    let model = try Loaded()
    let m = model.handle
    let image = try model.image()
    let session = try model.session()
    defer {
      fovea_session_free(session)
      fovea_image_embedding_release(image)
    }
    var out: OpaquePointer? = m
    var size = 7
    var other = 7
    var id: Int32 = 0
    var logits: UnsafePointer<Float>?
    var text: UnsafeMutablePointer<CChar>?
    let byte: [UInt8] = [0, 0, 0]
    let calls: [(String, () -> fovea_status)] = [
      ("out", { fovea_load("x", nil, nil) }),
      ("out", { fovea_load_memory(byte, 1, nil, nil) }),
      ("bytes", { fovea_load_memory(nil, 1, nil, &out) }),
      ("bytes", { fovea_load_memory(nil, 0, nil, &out) }),
      ("length", { fovea_builtin_model(nil, 0, nil) }),
      ("out", { fovea_plan("x", nil, nil) }),
      ("model", { fovea_model_get_info(nil, nil) }),
      ("info", { fovea_model_get_info(m, nil) }),
      ("model", { fovea_model_metadata_json(nil, "a", nil, 0, &size) }),
      ("key", { fovea_model_metadata_json(m, nil, nil, 0, &size) }),
      ("length", { fovea_model_metadata_json(m, "a", nil, 0, nil) }),
      ("key", { fovea_model_metadata_json(m, "no.such.key", nil, 0, &size) }),
      ("model", { fovea_tokenize(nil, "a", 1, nil, 0, &size) }),
      ("text", { fovea_tokenize(m, nil, 1, nil, 0, &size) }),
      ("count", { fovea_tokenize(m, "a", 1, nil, 0, nil) }),
      ("model", { fovea_detokenize(nil, &id, 1, 0, nil, 0, &size) }),
      ("ids", { fovea_detokenize(m, nil, 1, 0, nil, 0, &size) }),
      ("length", { fovea_detokenize(m, &id, 1, 0, nil, 0, nil) }),
      ("flags", { fovea_detokenize(m, &id, 1, 2, nil, 0, &size) }),
      ("model", { fovea_encode_image(nil, "x", nil, &out) }),
      ("path", { fovea_encode_image(m, nil, nil, &out) }),
      ("path", { fovea_encode_image(m, "", nil, &out) }),
      ("out", { fovea_encode_image(m, "x", nil, nil) }),
      ("bytes", { fovea_encode_image_bytes(m, nil, 1, nil, &out) }),
      ("rgb", { fovea_encode_image_pixels(m, nil, 1, 1, 0, nil, &out) }),
      ("session", { fovea_read_image(nil, "x", nil, nil, nil, nil, nil) }),
      ("path", { fovea_read_image(session, nil, nil, nil, nil, nil, nil) }),
      ("bytes", { fovea_read_image_bytes(session, nil, 1, nil, nil, nil, nil, nil) }),
      ("rgb", { fovea_read_image_pixels(session, nil, 1, 1, 0, nil, nil, nil, nil, nil) }),
      ("embedding", { fovea_image_embedding_get_info(nil, nil) }),
      ("info", { fovea_image_embedding_get_info(image, nil) }),
      ("embedding", { fovea_image_embedding_get_view(nil, 0, nil) }),
      ("view", { fovea_image_embedding_get_view(image, 0, nil) }),
      ("embedding", { fovea_image_embedding_serialize(nil, nil, 0, &size) }),
      ("size", { fovea_image_embedding_serialize(image, nil, 0, nil) }),
      ("model", { fovea_image_embedding_deserialize(nil, byte, 3, &out) }),
      ("bytes", { fovea_image_embedding_deserialize(m, nil, 3, &out) }),
      ("size", { fovea_image_embedding_deserialize(m, byte, -1, &out) }),
      ("out", { fovea_image_embedding_deserialize(m, byte, 3, nil) }),
      ("model", { fovea_session_create(nil, nil, &out) }),
      ("out", { fovea_session_create(m, nil, nil) }),
      ("session", { fovea_session_reset(nil) }),
      ("session", { fovea_generate(nil, "a", nil, 0, nil, nil, &text) }),
      ("prompt", { fovea_generate(session, nil, nil, 0, nil, nil, &text) }),
      ("images", { fovea_generate(session, "a", nil, 1, nil, nil, &text) }),
      ("images[1]", { fovea_generate(session, "a", [image, nil], 2, nil, nil, &text) }),
      ("count", { fovea_generate_ids(session, "a", nil, 0, nil, nil, &id, 1, nil) }),
      ("session", { fovea_session_get_place(nil, 0, nil) }),
      ("place", { fovea_session_get_place(session, 0, nil) }),
      ("session", { fovea_session_log_probabilities(nil, nil, 0, &size) }),
      ("count", { fovea_session_log_probabilities(session, nil, 0, nil) }),
      ("ids", { fovea_generate_ids(session, "a", nil, 0, nil, nil, nil, 1, &size) }),
      ("logits", { fovea_logits(session, "a", nil, 0, nil, nil, &size, &other) }),
      ("positions", { fovea_logits(session, "a", nil, 0, nil, &logits, nil, &size) }),
      ("vocab_size", { fovea_logits(session, "a", nil, 0, nil, &logits, &size, nil) }),
      ("continuations", { fovea_score(session, "a", nil, 0, nil, nil, 1, nil) }),
    ]
    for (i, (name, call)) in calls.enumerated() {
      #expect(call() == FOVEA_ERROR_ARGUMENT, "call \(i), \(name)")
      #expect(lastError().hasPrefix(name), "call \(i), \(name): \(lastError())")
    }
    #expect(text == nil && logits == nil)
  }

  @Test func nullIsFineWhereTheHeaderSaysSo() {
    fovea_model_free(nil)
    fovea_session_free(nil)
    fovea_session_cancel(nil)
    fovea_string_free(nil)
    fovea_image_embedding_release(nil)
    #expect(fovea_image_embedding_retain(nil) == nil)
    #expect(fovea_image_embedding_data(nil) == nil)
    #expect(fovea_model_metadata_count(nil) == 0)
    #expect(fovea_model_metadata_key(nil, 0) == nil)
  }

  @Test func anOutPointerIsClearedOnFailure() throws {
    let model = try Loaded()
    var out: OpaquePointer? = model.handle
    #expect(fovea_load("/nonexistent", nil, &out) == FOVEA_ERROR_IO)
    #expect(out == nil)
    out = model.handle
    #expect(fovea_encode_image(model.handle, "/nonexistent", nil, &out) == FOVEA_ERROR_IO)
    #expect(out == nil)
    out = model.handle
    #expect(fovea_session_create(nil, nil, &out) == FOVEA_ERROR_ARGUMENT)
    #expect(out == nil)
  }

  @Test func everyStructureSizeIsChecked() throws {
    let model = try Loaded()
    let image = try model.image()
    let session = try model.session()
    defer {
      fovea_session_free(session)
      fovea_image_embedding_release(image)
    }
    var out: OpaquePointer?
    let picture = pixels(width: 2, height: 2)
    for size in [0, 7, 8, -1, 15, 1 << 40] {
      var load = fovea_load_options(), encode = fovea_encode_options(), create = fovea_session_options()
      var generate = fovea_generate_options(), result = fovea_generate_result(), info = fovea_model_info()
      var plan = fovea_memory_plan(), imageInfo = fovea_image_info(), view = fovea_image_view()
      load.struct_size = size
      encode.struct_size = size
      create.struct_size = size
      generate.struct_size = size
      result.struct_size = size
      info.struct_size = size
      plan.struct_size = size
      imageInfo.struct_size = size
      view.struct_size = size
      let statuses = [
        fovea_load(model.file.path, &load, &out), fovea_plan(model.file.path, &load, &plan),
        fovea_plan(model.file.path, nil, &plan), fovea_model_get_info(model.handle, &info),
        fovea_encode_image_pixels(model.handle, picture, 2, 2, 0, &encode, &out),
        fovea_image_embedding_get_info(image, &imageInfo), fovea_image_embedding_get_view(image, 0, &view),
        fovea_session_create(model.handle, &create, &out), fovea_generate(session, "a", nil, 0, &generate, nil, nil),
        fovea_generate(session, "a", nil, 0, nil, &result, nil),
      ]
      #expect(statuses == [fovea_status](repeating: fovea_status(FOVEA_ERROR_ARGUMENT), count: statuses.count), "size \(size)")
      #expect(lastError().contains("struct_size"))
    }
  }

  @Test func aLongerStructureIsTakenWhenItsTailIsZero() throws {
    let model = try Loaded()
    let known = MemoryLayout<fovea_session_options>.size
    let memory = UnsafeMutableRawPointer.allocate(byteCount: known + 16, alignment: 8)
    defer { memory.deallocate() }
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: known + 16)
    memory.storeBytes(of: known + 16, as: Int.self)
    let options = memory.assumingMemoryBound(to: fovea_session_options.self)
    var out: OpaquePointer?
    #expect(fovea_session_create(model.handle, options, &out) == FOVEA_OK)
    fovea_session_free(out)
    memory.storeBytes(of: 1, toByteOffset: known + 9, as: UInt8.self)
    #expect(fovea_session_create(model.handle, options, &out) == FOVEA_ERROR_ARGUMENT)
    #expect(lastError().contains("byte \(known + 9)"))
  }

  @Test func aLongerResultIsFilledWithZeros() throws {
    let model = try Loaded()
    let known = MemoryLayout<fovea_model_info>.size
    let memory = UnsafeMutableRawPointer.allocate(byteCount: known + 16, alignment: 8)
    defer { memory.deallocate() }
    memory.initializeMemory(as: UInt8.self, repeating: 0xAA, count: known + 16)
    memory.storeBytes(of: known + 8, as: Int.self)
    #expect(fovea_model_get_info(model.handle, memory.assumingMemoryBound(to: fovea_model_info.self)) == FOVEA_OK)
    #expect(memory.load(as: Int.self) == known + 8)
    #expect(memory.load(fromByteOffset: known, as: UInt64.self) == 0)
    #expect(memory.load(fromByteOffset: known + 8, as: UInt64.self) == 0xAAAA_AAAA_AAAA_AAAA)
  }

  @Test func numbersOutOfRangeAreNamed() throws {
    let model = try Loaded()
    let session = try model.session()
    defer { fovea_session_free(session) }
    let changes: [(String, (inout fovea_generate_options) -> Void)] = [
      ("options.max_tokens", { $0.max_tokens = -1 }), ("options.temperature", { $0.temperature = -0.5 }),
      ("options.temperature", { $0.temperature = .nan }), ("options.temperature", { $0.temperature = .infinity }),
      ("options.top_k", { $0.top_k = -2 }), ("options.top_p", { $0.top_p = 1.5 }), ("options.top_p", { $0.top_p = -1 }),
      ("options.repetition_penalty", { $0.repetition_penalty = -1 }), ("options.reserved", { $0.reserved = 1 }),
      ("options.overflow", { $0.overflow = 2 }),
      ("options.ngram_ban", { $0.ngram_ban = 1 }), ("options.ngram_ban", { $0.ngram_ban = -2 }), ("options.ngram_window", { $0.ngram_window = -1 }),
      ("options.loop_tokens", { $0.loop_tokens = 7 }), ("options.loop_tokens", { $0.loop_tokens = -1 }),
      ("options.min_tokens", { $0.min_tokens = -1 }),
      ("options.deadline_seconds", { $0.deadline_seconds = -1 }), ("options.deadline_seconds", { $0.deadline_seconds = .nan }),
      ("options.stop_texts", { $0.stop_text_count = 1 }), ("options.stop_texts", { $0.stop_text_count = -1 }),
    ]
    for (name, change) in changes {
      #expect(ids(session, "abc", [], tokens: 8, change).status == FOVEA_ERROR_ARGUMENT, "\(name)")
      #expect(lastError().hasPrefix(name), "\(name): \(lastError())")
      #expect(lastError(session) == lastError())
    }

    var out: OpaquePointer?
    var load = fovea_load_options()
    load.struct_size = MemoryLayout<fovea_load_options>.size
    let wrong: [(String, Int32, Int32, Int32)] = [
      ("threads", -1, 0, 0), ("context_length", 0, -5, 0), ("cache_type", 0, 0, 4), ("cache_type", 0, 0, -1),
    ]
    for (name, threads, context, cacheType) in wrong {
      load.threads = threads
      load.context_length = context
      load.cache_type = cacheType
      #expect(fovea_load(model.file.path, &load, &out) == FOVEA_ERROR_ARGUMENT)
      #expect(lastError().contains(name))
    }
    load = fovea_load_options()
    load.struct_size = MemoryLayout<fovea_load_options>.size
    load.threads = 100_000
    #expect(fovea_load(model.file.path, &load, &out) == FOVEA_ERROR_ARGUMENT)

    var create = fovea_session_options()
    create.struct_size = MemoryLayout<fovea_session_options>.size
    create.context_length = Int32(TinyModel.context) + 1
    #expect(fovea_session_create(model.handle, &create, &out) == FOVEA_ERROR_ARGUMENT)
  }

  @Test(
    arguments: [
      (0, 1, 0), (1, 0, 0), (-1, 5, 0), (5, -1, 0), (5, 5, 14), (5, 5, -1), (Int32.max, Int32.max, 0),
    ] as [(Int32, Int32, Int)])
  func impossiblePixelsAreRefused(_ width: Int32, _ height: Int32, _ stride: Int) throws {
    let model = try Loaded()
    var out: OpaquePointer?
    let pixel: [UInt8] = [0, 0, 0]
    let status = fovea_encode_image_pixels(model.handle, pixel, width, height, stride, nil, &out)
    #expect(status == FOVEA_ERROR_ARGUMENT || status == FOVEA_ERROR_IMAGE)
    #expect(out == nil && !lastError().isEmpty)
  }

  @Test func waysToReadAPictureThatDoNotExistAreRefused() throws {
    let model = try Loaded()
    for change in [
      { $0.orientation = 3 }, { $0.orientation = -1 }, { $0.alpha = 3 }, { $0.alpha = -1 },
      { ($0.alpha, $0.background) = (Int32(FOVEA_ALPHA_COLOUR), 0x100_0000) },
    ] as [(inout fovea_encode_options) -> Void] {
      var options = fovea_encode_options()
      options.struct_size = MemoryLayout<fovea_encode_options>.size
      change(&options)
      var out: OpaquePointer?
      #expect(fovea_encode_image_pixels(model.handle, [1, 2, 3], 1, 1, 0, &options, &out) == FOVEA_ERROR_ARGUMENT)
      #expect(lastError().contains("options.") && out == nil)
    }
  }

  @Test func sizesAndIdsOutsideEveryRangeAreRefused() throws {
    let model = try Loaded()
    var count = 0
    #expect(fovea_tokenize(model.handle, "a", -1, nil, 0, &count) == FOVEA_ERROR_ARGUMENT)
    var id: Int32 = 5
    #expect(fovea_detokenize(model.handle, &id, Int.max, 0, nil, 0, &count) == FOVEA_ERROR_ARGUMENT)
    for wrong in [-1, Int32(TinyModel.vocabulary), Int32.max] as [Int32] {
      id = wrong
      #expect(fovea_detokenize(model.handle, &id, 1, 0, nil, 0, &count) == FOVEA_ERROR_ARGUMENT)
    }
    let session = try model.session()
    defer { fovea_session_free(session) }
    #expect(fovea_generate(session, "a", nil, -1, nil, nil, nil) == FOVEA_ERROR_ARGUMENT)
  }

  /// Overlong forms, lone surrogates, beyond U+10FFFF, cut and stray continuation bytes.
  @Test(
    arguments: [
      [0xC0, 0x80], [0xE0, 0x9F, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xE2, 0x82], [0x80], [0xFF], [0xF8, 0x88],
    ] as [[UInt8]])
  func invalidUTF8IsNamedWithItsPlace(_ bytes: [UInt8]) throws {
    let model = try Loaded()
    let session = try model.session()
    defer { fovea_session_free(session) }
    let prompt = (Array("aé".utf8) + bytes + [0]).map { CChar(bitPattern: $0) }
    #expect(fovea_generate(session, prompt, nil, 0, nil, nil, nil) == FOVEA_ERROR_ARGUMENT)
    #expect(lastError() == "prompt: invalid UTF-8 at byte 3.")
    var count = 0
    #expect(fovea_tokenize(model.handle, prompt, prompt.count - 1, nil, 0, &count) == FOVEA_ERROR_ARGUMENT)
    var out: OpaquePointer?
    #expect(fovea_load(prompt, nil, &out) != FOVEA_OK)
  }
}
