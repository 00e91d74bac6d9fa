// SPDX-License-Identifier: Apache-2.0
import CFovea
import Decoders
import Encoders
import Families
import Generation
import Images
import Runtime
import Shims
import WeightFile

@c @implementation
public func fovea_load(
  _ path: UnsafePointer<CChar>?, _ options: UnsafePointer<fovea_load_options>?, _ out: UnsafeMutablePointer<OpaquePointer?>?
) -> fovea_status {
  out?.pointee = nil
  return status { () throws(FoveaError) in
    let out = try required(out, "out")
    out.pointee = try load(path, options)
  }
}

@c @implementation
public func fovea_load_memory(
  _ bytes: UnsafeRawPointer?, _ size: Int, _ options: UnsafePointer<fovea_load_options>?,
  _ out: UnsafeMutablePointer<OpaquePointer?>?
) -> fovea_status {
  out?.pointee = nil
  return status { () throws(FoveaError) in
    let out = try required(out, "out")
    out.pointee = try loadMemory(bytes, size, options)
  }
}

@c @implementation
public func fovea_model_free(_ model: OpaquePointer?) { release(model, as: ModelHandle.self) }

@c @implementation
public func fovea_plan(
  _ path: UnsafePointer<CChar>?, _ options: UnsafePointer<fovea_load_options>?, _ out: UnsafeMutablePointer<fovea_memory_plan>?
) -> fovea_status {
  status { () throws(FoveaError) in try plan(path, options, try required(out, "out")) }
}

@c @implementation
public func fovea_model_get_info(_ model: OpaquePointer?, _ info: UnsafeMutablePointer<fovea_model_info>?) -> fovea_status {
  status { () throws(FoveaError) in
    let handle: ModelHandle = try object(model, "model")
    try write(describe(handle), to: try required(info, "info"), first: FirstSize.modelInfo, "info")
  }
}

@c @implementation
public func fovea_model_memory(_ model: OpaquePointer?, _ out: UnsafeMutablePointer<fovea_memory_use>?) -> fovea_status {
  status { () throws(FoveaError) in
    let handle: ModelHandle = try object(model, "model")
    let use = handle.model.memoryUse
    var c = fovea_memory_use()
    c.weight_bytes = UInt64(clamping: use.weights)
    c.mapped_bytes = UInt64(clamping: use.mapped)
    c.session_bytes = UInt64(clamping: use.sessions)
    c.scratch_bytes = UInt64(clamping: use.scratch)
    c.image_bytes = UInt64(clamping: use.images)
    c.table_bytes = UInt64(clamping: use.tables)
    c.total_bytes = UInt64(clamping: use.total)
    c.budget_bytes = UInt64(clamping: handle.model.budgetBytes ?? 0)
    c.left_bytes = UInt64(clamping: handle.model.room ?? 0)
    try write(c, to: try required(out, "out"), first: FirstSize.memoryUse, "out")
  }
}

@c @implementation
public func fovea_model_trim(_ model: OpaquePointer?) -> fovea_status {
  status { () throws(FoveaError) in
    let handle: ModelHandle = try object(model, "model")
    handle.model.trim()
  }
}

@inline(never)
private func load(
  _ path: UnsafePointer<CChar>?, _ options: UnsafePointer<fovea_load_options>?
) throws(FoveaError) -> OpaquePointer {
  let (options, progress) = try loadOptions(options)
  let model = try Model.load(path: try modelPath(path), options: options)
  try progress.finish()
  return try handle(owning: ModelHandle(model))
}

@inline(never)
private func loadMemory(
  _ bytes: UnsafeRawPointer?, _ size: Int, _ options: UnsafePointer<fovea_load_options>?
) throws(FoveaError) -> OpaquePointer {
  let (options, progress) = try loadOptions(options)
  let bytes = try buffer(try required(bytes, "bytes").assumingMemoryBound(to: UInt8.self), count: size, "size")
  let model = try Model.load(bytes: UnsafeRawBufferPointer(bytes), options: options)
  try progress.finish()
  return try handle(owning: ModelHandle(model))
}

@inline(never)
private func plan(
  _ path: UnsafePointer<CChar>?, _ options: UnsafePointer<fovea_load_options>?, _ out: UnsafeMutablePointer<fovea_memory_plan>
) throws(FoveaError) {
  _ = try structSize(UnsafeRawPointer(out), first: FirstSize.memoryPlan, "out")
  let options = try loadOptions(options).options
  let path = try modelPath(path)
  let plan = try Model.plan(path: path, options: options)
  var c = fovea_memory_plan()
  c.file_bytes = fileSize(path)
  c.mapped_bytes = UInt64(plan.mappedWeights)
  c.weight_bytes = UInt64(plan.decodedWeights)
  c.session_bytes = UInt64(plan.cache)
  c.scratch_bytes = UInt64(plan.scratch)
  c.total_bytes = UInt64(plan.total)
  c.table_bytes = UInt64(plan.tables)
  c.least_bytes = UInt64(plan.least)
  c.residency = plan.residency.mode.rawValue
  try write(c, to: out, first: FirstSize.memoryPlan, "out")
}

private func describe(_ handle: ModelHandle) -> fovea_model_info {
  let model = handle.model
  var info = fovea_model_info()
  info.system = handle.system.pointer
  info.name = handle.name.pointer
  info.weight_type = handle.weightType.pointer
  info.instruction_set = handle.instructionSet.pointer
  info.weight_bytes = UInt64(model.weightBytes)
  info.resident_bytes = UInt64(model.residentBytes)
  info.bytes_per_token = UInt64(model.system.decoder.bytesPerToken)
  info.context_length = int32(model.contextLength)
  info.image_tokens = int32(model.system.vision.maximumTokens)
  info.hidden_size = int32(model.system.decoder.hiddenSize)
  info.vocab_size = int32(model.system.decoder.vocabSize)
  info.threads = int32(model.pool.threads)
  info.residency = model.residency.rawValue
  return info
}

private func fileSize(_ path: UnsafePointer<CChar>) -> UInt64 {
  var facts = stat()
  return stat(path, &facts) == 0 ? UInt64(clamping: facts.st_size) : 0
}

/// The path given, or the built-in model's, with a NUL.
private func modelPath(_ path: UnsafePointer<CChar>?) throws(FoveaError) -> [CChar] {
  guard let path else { return (try builtinModelPath() + [0]).map { CChar(bitPattern: $0) } }
  let checked = try requiredPath(path, "path")
  return Array(UnsafeBufferPointer(start: checked, count: strlen(checked) + 1))
}

private func loadOptions(
  _ given: UnsafePointer<fovea_load_options>?
) throws(FoveaError) -> (options: LoadOptions, progress: Progress) {
  var c = fovea_load_options()
  try read(given, into: &c, first: FirstSize.loadOptions, "options")
  var options = LoadOptions()
  options.cacheType = try cacheType(c.cache_type)
  if c.threads != 0 { options.threads = try count(c.threads, "options.threads") }
  if c.context_length != 0 { options.contextLength = try count(c.context_length, "options.context_length") }
  if c.memory_budget != 0 { options.memoryBudget = Int(clamping: c.memory_budget) }
  options.verify = c.verify != 0
  options.maps = c.no_mapping == 0
  if c.sessions != 0 { options.sessions = try count(c.sessions, "options.sessions") }
  let (width, height) = (try count(c.image_width, "options.image_width"), try count(c.image_height, "options.image_height"))
  guard (width == 0) == (height == 0) else { throw .argument("options", "image_width and image_height: one of them is 0.") }
  if width > 0 { options.imageSize = ImageSize(width: width, height: height) }
  let progress = Progress(c.progress, c.progress_user)
  options.progress = progress.closure
  if let run = c.run_jobs {
    let user = HostPointer(c.run_jobs_user)
    options.hostThreads = HostThreads { count, job, context in run(user.pointer, count, job, context) }
  }
  guard (c.allocate == nil) == (c.deallocate == nil) else { throw .argument("options", "allocate and deallocate: one of them is NULL.") }
  if let allocate = c.allocate, let deallocate = c.deallocate {
    let user = HostPointer(c.allocator_user)
    options.hostMemory = HostMemory {
      allocate(user.pointer, $0)
    } deallocate: {
      deallocate(user.pointer, $0, $1)
    }
  }
  if let log = c.log {
    let user = HostPointer(c.log_user)
    options.log = Log { level, line in
      // File names are quoted and shortened as in error messages.
      withUnsafeTemporaryAllocation(of: CChar.self, capacity: threadErrorTextCapacity) { text in
        guard let text = text.baseAddress else { return }
        write(line, toErrorText: text)
        log(user.pointer, level.rawValue, text)
      }
    }
  }
  return (options, progress)
}

/// A pointer that a host's callbacks get back; which threads may use it is the host's concern.
private struct HostPointer: @unchecked Sendable {
  let pointer: UnsafeMutableRawPointer?
  init(_ pointer: UnsafeMutableRawPointer?) { self.pointer = pointer }
}

private func cacheType(_ code: fovea_cache_type) throws(FoveaError) -> CacheType? {
  switch Int(code) {
  case FOVEA_CACHE_DEFAULT: nil
  case FOVEA_CACHE_F32: .float32
  case FOVEA_CACHE_F16: .float16
  case FOVEA_CACHE_INT8: .int8
  default: throw .argument("options.cache_type", "there is no type \(code).")
  }
}
