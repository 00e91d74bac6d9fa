// SPDX-License-Identifier: Apache-2.0
import Images
import Kernels
import Regions
import Runtime
import Tokenizers
import WeightFile

/// The errors of a call, as facts. The C interface maps each to a status.
package enum FoveaError: Error {
  /// An invalid argument: its name, and why.
  case argument(String, String)
  /// A valid request that this model does not support: its name, and why.
  case unsupported(String, String)
  /// A caller's buffer is too small: `capacity` and `needed` count in `unit`.
  case buffer(String, capacity: Int, needed: Int, unit: StaticString)
  /// More positions than the context holds. `isLeast`: `positions` is a lower bound, since counting stopped there.
  case context(String, positions: Int, isLeast: Bool, capacity: Int)
  /// The prompt fills the context, so that no token of an answer fits.
  case noRoom(positions: Int, capacity: Int)
  /// The number of `<image>` marks in a prompt differs from the number of images.
  case imageMarks(found: Int, images: Int)
  /// Another call is using the session.
  case busy
  /// The progress callback stopped the work.
  case refused
  /// No memory for a result: what it is, and its bytes.
  case outOfMemory(String, bytes: Int)
  /// Needs more than the memory budget.
  case overBudget(file: String, weights: Int, context: Int, scratch: Int, tables: Int, budget: Int)
  /// Needs more than the memory budget has left: what, its bytes, and a budget that would suffice now.
  case overRoom(String, bytes: Int, left: Int, enough: Int)
  /// There is no built-in model; `folder` is the library's own, nil if unknown.
  case noBuiltinModel(folder: String?)
  /// Parts of a weight file that do not fit each other: which, and how.
  case system(String, String)
  /// The environment names an instruction set that is unknown or that this CPU lacks.
  case instructionSet(UnknownInstructionSet)
  case weights(WeightFileError)
  case runtime(RuntimeError)
  case image(ImageError)
  case tokenizer(TokenizerError)
  case region(RegionError)
  /// The bytes are not an image embedding of this model.
  case embedding(EmbeddingBytesError)
  /// The same for a file.
  case embeddingFile(String, EmbeddingBytesError)

  package init(_ e: WeightFileError) { self = .weights(e) }
  package init(_ e: RuntimeError) { self = .runtime(e) }
  package init(_ e: ImageError) { self = .image(e) }
  /// An error of stoppable work; `stop` tells a passed deadline from a cancellation.
  package init(_ e: ImageError, _ stop: StopSignal) {
    if case .stopped = e { self = .runtime(stop.reason) } else { self = .image(e) }
  }

  /// Adds the weight file's name, which errors of its parts lack.
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
