// SPDX-License-Identifier: Apache-2.0
import Families
import Generation
import Regions
import Schema
import Shims
import WeightFile

/// The object behind a `fovea_model`: the model, and its facts as C strings of the same lifetime.
final class ModelHandle {
  let model: Model
  let system, name, weightType, instructionSet: CText
  /// Metadata keys in the file's order.
  let keys: [CText]

  init(_ model: Model) {
    self.model = model
    let general = model.system.general
    system = CText(general.system)
    name = CText(general.name)
    weightType = CText(general.type)
    instructionSet = CText(model.isaName.description)
    keys = model.metadata.keys.map { CText($0) }
  }
}

/// The object behind a `fovea_image_embedding`. It retains its model, so the two can be released in any order.
final class ImageHandle {
  let model: Model
  let embedding: ImageEmbedding

  init(_ model: Model, _ embedding: ImageEmbedding) {
    self.model = model
    self.embedding = embedding
  }
}

/// The object behind a `fovea_session`. Mutable state is accessed inside `exclusively` only.
final class SessionHandle {
  let model: Model
  let session: Session
  /// Message of the session's last failure, `threadErrorTextCapacity` bytes.
  let errorText: UnsafeMutablePointer<CChar>
  /// The result of the last `fovea_logits`.
  private(set) var logits: UnsafeMutablePointer<Float>?
  /// The places that the last answer names.
  private(set) var places: [(place: GroundedPlace, phrase: CText)] = []
  private(set) var logProbabilities: [Float] = []
  /// The last call's answers.
  private(set) var answers: [KeptAnswer] = []

  init(_ model: Model, _ session: Session) {
    self.model = model
    self.session = session
    let capacity = threadErrorTextCapacity
    errorText = .allocate(capacity: capacity)
    errorText.initialize(repeating: 0, count: capacity)
  }

  deinit {
    errorText.deallocate()
    block_free(logits)
  }

  /// Called before a call that replaces them, with what is known of them.
  func forgetAnswers() { (answers, places, logProbabilities) = ([], [], []) }

  func keep(_ answer: GenerateResult) throws(FoveaError) {
    var kept = [try KeptAnswer(answer)]
    for other in answer.others { kept.append(try KeptAnswer(other)) }
    // Nothing allocated from the reserve may be kept.
    try requireMemoryOfCall()
    answers = kept
    places = answer.places.map { ($0, CText(String(decoding: $0.phrase, as: UTF8.self))) }
    logProbabilities = answer.logProbabilities
  }

  /// Keeps a copy of logits in place of the previous ones.
  func keepLogits(_ values: UnsafeBufferPointer<Float>) throws(FoveaError) {
    block_free(logits)
    let byteCount = values.count * MemoryLayout<Float>.stride
    logits = block_allocate(max(byteCount, 1))?.assumingMemoryBound(to: Float.self)
    guard let copy = logits else { throw .outOfMemory("logits", bytes: byteCount) }
    if let base = values.baseAddress { memcpy(copy, base, byteCount) }
  }

  /// Runs `body` with the session held exclusively; throws `busy` while a call holds it. Any other failure also becomes the session's last
  /// error.
  func exclusively<Result>(_ access: Gate.Access = .call, _ body: () throws(FoveaError) -> Result) throws(FoveaError) -> Result {
    try session.exclusively(access) { () throws(FoveaError) in
      do throws(FoveaError) { return try body() } catch {
        write(error.message, toErrorText: errorText)
        throw error
      }
    }
  }
}

/// A NUL-terminated copy of a text, for a host to read.
final class CText {
  let pointer: UnsafePointer<CChar>

  init(_ text: String) {
    let bytes = text.utf8
    let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count + 1)
    var i = 0
    for byte in bytes {
      copy[i] = CChar(bitPattern: byte)
      i += 1
    }
    copy[i] = 0
    pointer = UnsafePointer(copy)
  }

  deinit { pointer.deallocate() }
}
