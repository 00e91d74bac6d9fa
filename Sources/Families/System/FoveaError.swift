// SPDX-License-Identifier: Apache-2.0
import Images
import Kernels
import Regions
import Runtime
import Tokenizers
import WeightFile

/// What went wrong in a call, as facts. The status that a host is told of each stands beside the C interface.
package enum FoveaError: Error {
  /// An argument that cannot be used: what it is called, and why.
  case argument(String, String)
  /// Something sound that this model does not do: what it is called, and why.
  case unsupported(String, String)
  /// A caller's buffer of `capacity` places where `needed` are needed.
  case buffer(String, capacity: Int, needed: Int, unit: StaticString)
  /// More positions than the context holds. `isLeast`: the work was stopped when there were so many.
  case context(String, positions: Int, isLeast: Bool, capacity: Int)
  /// A prompt that fills the context, so that no token of an answer could follow.
  case noRoom(positions: Int, capacity: Int)
  /// `<image>` marks of a prompt and images given differ in number.
  case imageMarks(found: Int, images: Int)
  /// Another call is using the session.
  case busy
  /// The progress callback stopped the work.
  case refused
  /// No memory for a result: what it is, and its bytes.
  case outOfMemory(String, bytes: Int)
  /// Needs more than the memory budget.
  case overBudget(file: String, weights: Int, context: Int, scratch: Int, tables: Int, budget: Int)
  /// Something that needs more than a memory budget has left: what it is, its bytes, and a budget that would do now.
  case overRoom(String, bytes: Int, left: Int, enough: Int)
  /// There is no built-in model; `folder` is the library's own, nil where it is unknown.
  case noBuiltinModel(folder: String?)
  /// Parts of a weight file that do not fit each other: which, and how.
  case system(String, String)
  /// The environment asks for an instruction set that is not there.
  case instructionSet(UnknownInstructionSet)
  case weights(WeightFileError)
  case runtime(RuntimeError)
  case image(ImageError)
  case tokenizer(TokenizerError)
  case region(RegionError)
  /// Bytes that are no image embedding of this model.
  case embedding(EmbeddingBytesError)
  /// The same of a file.
  case embeddingFile(String, EmbeddingBytesError)

  package init(_ e: WeightFileError) { self = .weights(e) }
  package init(_ e: RuntimeError) { self = .runtime(e) }
  package init(_ e: ImageError) { self = .image(e) }
  /// An error of work that `stop` could end: whether it was the deadline or somebody's wish.
  package init(_ e: ImageError, _ stop: StopSignal) {
    if case .stopped = e { self = .runtime(stop.reason) } else { self = .image(e) }
  }

  /// What is wrong with a weight file, with its name: errors of its parts know only themselves.
  package func named(_ file: String) -> FoveaError {
    switch self {
    case .system(let part, let problem): .system("\(file): \(part)", problem)
    case .tokenizer(let e): .system("\(file): tokenizer", e.description)
    case .region(let e): .system("\(file): regions", e.description)
    default: self
    }
  }

  package init(_ e: TokenizerError) { self = .tokenizer(e) }
  package init(_ e: RegionError) { self = .region(e) }
  package init(_ e: EmbeddingBytesError) { self = .embedding(e) }

  /// One sentence that names the file, tensor, offset or argument.
  package var message: String {
    switch self {
    case .argument(let name, let problem), .unsupported(let name, let problem), .system(let name, let problem): "\(name): \(problem)"
    case .buffer(let name, let capacity, let needed, let unit): "\(name): has room for \(capacity)\(unit), \(needed) are needed."
    case .context(let name, let positions, let isLeast, let capacity):
      "\(name): \(isLeast ? "more than " : "")\(positions) positions exceed a context of \(capacity)"
    case .noRoom(let positions, let capacity): "prompt: \(positions) positions leave no room in a context of \(capacity)"
    case .imageMarks(let found, let images): "prompt: \(found) <image> marks, but \(images) images were given"
    case .busy: "session: in use by another thread; a session serves one call at a time"
    case .refused: "The progress callback stopped the work."
    case .outOfMemory(let what, let bytes): "No memory for \(bytes) bytes of \(what)."
    case .overBudget(let file, let weights, let context, let scratch, let tables, let budget):
      "\(file): needs about \(weights + context + scratch + tables) bytes (weights \(weights), context \(context), scratch \(scratch), tables \(tables)), the memory budget is \(budget)"
    case .overRoom(let what, let bytes, let left, let enough):
      "\(what): takes \(bytes) bytes, \(left) are left of the memory budget; one of \(enough) would do"
    case .noBuiltinModel(nil): "No model was named, FOVEA_MODEL is not set, and the library's own folder is unknown."
    case .noBuiltinModel(let folder?):
      """
      No model was named, FOVEA_MODEL is not set, and there is no built-in one at \(folder)builtin.fovea or \
      \(folder)../share/fovea/builtin.fovea.
      """
    case .weights(let e): e.description
    case .runtime(let e): e.description
    case .image(let e): e.description
    case .tokenizer(let e): e.description
    case .region(let e): e.description
    case .embedding(let e): "embedding: \(e.description)"
    case .embeddingFile(let file, let e): "\(file): \(e.description)"
    case .instructionSet(let e): e.description
    }
  }
}
