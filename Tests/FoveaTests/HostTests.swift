// SPDX-License-Identifier: Apache-2.0
import CFovea
import Foundation
import Fovea
import Testing

/// Ways in which a host runs jobs.
private enum Way: CaseIterable {
  case inOrder, backwards, none, onlyTheLast, onThreads

  var callback: fovea_run_jobs_callback {
    switch self {
    case .inOrder: { _, count, job, context in for i in 0..<count { job?(context, i) } }
    case .backwards: { _, count, job, context in for i in (0..<count).reversed() { job?(context, i) } }
    case .none: { _, _, _, _ in }
    case .onlyTheLast: { _, count, job, context in job?(context, count - 1) }
    case .onThreads:
      { _, count, job, context in
        nonisolated(unsafe) let context = context
        DispatchQueue.concurrentPerform(iterations: count) { job?(context, $0) }
      }
    }
  }
}

private final class Lines: @unchecked Sendable {
  var lines: [(level: Int32, text: String)] = []
}

@Suite struct HostTests {
  private func load(_ file: TinyModel, _ change: (inout fovea_load_options) -> Void) throws -> OpaquePointer {
    var options = fovea_load_options()
    options.struct_size = MemoryLayout<fovea_load_options>.size
    options.threads = 4
    change(&options)
    var out: OpaquePointer?
    try #require(fovea_load(file.path, &options, &out) == FOVEA_OK, "\(lastError())")
    return try #require(out)
  }

  /// Ids of an answer about an image, and the bits of its log-probabilities.
  private func answer(_ model: OpaquePointer) throws -> [UInt32] {
    var image: OpaquePointer?, session: OpaquePointer?
    let pixels = pixels(width: 40, height: 30)
    try #require(fovea_encode_image_pixels(model, pixels, 40, 30, 0, nil, &image) == FOVEA_OK, "\(lastError())")
    defer { fovea_image_embedding_release(image) }
    try #require(fovea_session_create(model, nil, &session) == FOVEA_OK, "\(lastError())")
    defer { fovea_session_free(session) }
    var logits: UnsafePointer<Float>?
    var positions = 0, vocabulary = 0
    let status = fovea_logits(session, "abc", [image], 1, nil, &logits, &positions, &vocabulary)
    try #require(status == FOVEA_OK, "\(lastError())")
    let bits = UnsafeBufferPointer(start: logits, count: positions * vocabulary).map(\.bitPattern)
    return bits + ids(try #require(session), "abc", [image]).ids.map { UInt32(bitPattern: $0) }
  }

  @Test func answersAreTheSameHoweverAHostRunsJobs() throws {
    let file = try TinyModel()
    let own = try load(file) { _ in }
    defer { fovea_model_free(own) }
    let expected = try answer(own)
    for way in Way.allCases {
      let model = try load(file) { $0.run_jobs = way.callback }
      #expect(try answer(model) == expected, "\(way)")
      fovea_model_free(model)
    }
  }

  @Test func callsAtTheSameMomentDoNotWaitForAHost() throws {
    let file = try TinyModel()
    let model = try load(file) { $0.run_jobs = Way.onThreads.callback }
    defer { fovea_model_free(model) }
    let expected = try answer(model)
    nonisolated(unsafe) let shared = model
    // As many callers as the host's pool has threads, and more.
    DispatchQueue.concurrentPerform(iterations: 8) { _ in
      for _ in 0..<5 { #expect((try? answer(shared)) == expected) }
    }
  }

  @Test func theLogTellsWhatIsLoadedAndEncoded() throws {
    let file = try TinyModel()
    let lines = Lines()
    let model = try load(file) {
      $0.log_user = Unmanaged.passUnretained(lines).toOpaque()
      $0.log = { user, level, text in
        guard let user, let text else { return }
        Unmanaged<Lines>.fromOpaque(user).takeUnretainedValue().lines.append((level, String(cString: text)))
      }
    }
    _ = try answer(model)
    fovea_model_free(model)
    #expect(lines.lines.map(\.level) == [Int32(FOVEA_LOG_INFO), Int32(FOVEA_LOG_DEBUG)])
    #expect(lines.lines.first?.text.contains("4 threads") == true)
    #expect(lines.lines.last?.text.contains("40 × 30 pixels are") == true)
  }
}
