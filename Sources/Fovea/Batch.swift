// SPDX-License-Identifier: Apache-2.0
import CFovea
import Families
import Runtime
import Shims

@c @implementation
public func fovea_batch(_ requests: UnsafeMutablePointer<fovea_request>?, _ count: Int) -> fovea_status {
  var failed: BatchRequest?
  let checked = status { () throws(FoveaError) in
    let all: [BatchRequest]
    do throws(FoveaError) { all = try batchRequests(requests, count) } catch {
      setStatus(error.status.rawValue, of: requests, count)
      throw error
    }
    BatchLane.run(all)
    failed = all.first { $0.status != FOVEA_OK }
    try requireMemoryOfCall()
  }
  guard checked == FOVEA_OK, let failed else { return checked }
  memcpy(threadErrorText(), failed.errorText, threadErrorTextCapacity)
  return failed.status
}

/// The caller's requests, all of one `struct_size`.
private func batchRequests(_ given: UnsafeMutablePointer<fovea_request>?, _ count: Int) throws(FoveaError) -> [BatchRequest] {
  guard try buffer(UnsafePointer(given), count: count, "requests").count > 0, let first = given else { return [] }
  let size = try structSize(UnsafeRawPointer(first), first: FirstSize.request, "requests[0]")
  let callbacks = Monitor()
  var found = try list(of: BatchRequest.self, count: count)
  for i in 0..<count {
    try requireMemoryOfCall()
    // Stride by the caller's `struct_size`: a newer header's structure may be longer.
    let place = (UnsafeMutableRawPointer(first) + i * size).assumingMemoryBound(to: fovea_request.self)
    guard UnsafeRawPointer(place).load(as: Int.self) == size else {
      throw .argument("requests[\(i)].struct_size", "should be \(size), as the first one's.")
    }
    place.pointee.text = nil
    found.append(try BatchRequest(place, "requests[\(i)]", callbacks))
  }
  return found
}

/// The outcome of requests of which none was started.
private func setStatus(_ status: fovea_status, of requests: UnsafeMutablePointer<fovea_request>?, _ count: Int) {
  guard let first = requests, count > 0, count <= Int.max / MemoryLayout<fovea_request>.stride,
    let size = try? structSize(UnsafeRawPointer(first), first: FirstSize.request, "requests[0]")
  else { return }
  for i in 0..<count {
    let place = UnsafeMutableRawPointer(first) + i * size
    guard place.load(as: Int.self) == size else { return }
    place.assumingMemoryBound(to: fovea_request.self).pointee.status = status
    place.assumingMemoryBound(to: fovea_request.self).pointee.text = nil
  }
}

/// A copy of one request of a batch, and where its results go.
private final class BatchRequest {
  private let place: UnsafeMutablePointer<fovea_request>
  let session: OpaquePointer
  private var c = fovea_request()
  private var options = fovea_generate_options()
  /// Serialises the caller's callbacks.
  private let callbacks: Monitor
  private(set) var status = fovea_status(FOVEA_OK)
  /// Message of its failure, `threadErrorTextCapacity` bytes.
  let errorText = UnsafeMutablePointer<CChar>.allocate(capacity: threadErrorTextCapacity)

  init(_ place: UnsafeMutablePointer<fovea_request>, _ name: String, _ callbacks: Monitor) throws(FoveaError) {
    self.place = place
    self.callbacks = callbacks
    errorText.initialize(repeating: 0, count: threadErrorTextCapacity)
    try read(UnsafePointer(place), into: &c, first: FirstSize.request, "requests")
    guard let session = c.session else { throw .argument("\(name).session", "NULL was given.") }
    self.session = session
    guard c.prompt == nil || c.messages == nil else { throw .argument("\(name)", "has a prompt and messages.") }
    do throws(FoveaError) {
      try requireZero(c.reserved, "reserved")
      try read(c.options, into: &options, first: FirstSize.generateOptions, "options")
    } catch {
      guard case .argument(let field, let problem) = error else { throw error }
      throw .argument("\(name).\(field)", problem)
    }
    options.struct_size = MemoryLayout<fovea_generate_options>.size
    if options.on_token != nil { options.on_token = BatchRequest.onToken }
    if options.progress != nil { options.progress = BatchRequest.onProgress }
  }

  deinit { errorText.deallocate() }

  /// Answers the request on the calling thread.
  func answer() {
    let user = Unmanaged.passUnretained(self).toOpaque()
    (options.on_token_user, options.progress_user) = (user, user)
    // A local: callbacks read this object's properties while the call writes its text.
    var text: UnsafeMutablePointer<CChar>?
    if c.messages != nil {
      status = fovea_chat(session, c.messages, c.message_count, &options, c.result, &text)
    } else {
      status = fovea_generate(session, c.prompt, c.images, c.image_count, &options, c.result, &text)
    }
    if status != FOVEA_OK { memcpy(errorText, threadErrorText(), threadErrorTextCapacity) }
    (place.pointee.status, place.pointee.text) = (status, text)
  }

  private static let onToken: fovea_token_callback = { user, id, text, length in
    guard let request = request(user), let given = request.c.options else { return 1 }
    return request.callbacks.locked { given.pointee.on_token?(given.pointee.on_token_user, id, text, length) ?? 0 }
  }

  private static let onProgress: fovea_progress_callback = { user, done, total in
    guard let request = request(user), let given = request.c.options else { return 1 }
    return request.callbacks.locked { given.pointee.progress?(given.pointee.progress_user, done, total) ?? 0 }
  }

  private static func request(_ user: UnsafeMutableRawPointer?) -> BatchRequest? {
    user.map { Unmanaged<BatchRequest>.fromOpaque($0).takeUnretainedValue() }
  }
}

/// The requests of one session, answered in order on one thread. `DecoderBatcher` batches the sessions' decoder passes.
private final class BatchLane {
  private var requests: [BatchRequest]
  private var thread: pthread_t?

  private init(_ first: BatchRequest) { requests = [first] }

  static func run(_ requests: [BatchRequest]) {
    var lanes: [BatchLane] = []
    for request in requests {
      if let lane = lanes.first(where: { $0.requests.first?.session == request.session }) {
        lane.requests.append(request)
      } else {
        lanes.append(BatchLane(request))
      }
    }
    // The first lane runs on the calling thread, and after it those for which no thread could be started.
    for lane in lanes.dropFirst() { lane.start() }
    for lane in lanes where lane.thread == nil { lane.answer() }
    for lane in lanes { if let thread = lane.thread { pthread_join(thread, nil) } }
  }

  private func answer() { for request in requests { request.answer() } }

  private func start() {
    var thread = pthread_t()
    let argument = Unmanaged.passUnretained(self).toOpaque()
    let status = thread_start(
      &thread, workStack,
      { argument in
        guard let argument else { return nil }
        Unmanaged<BatchLane>.fromOpaque(argument).takeUnretainedValue().answer()
        return nil
      }, argument)
    if status == 0 { self.thread = thread }
  }
}
