// SPDX-License-Identifier: Apache-2.0
import Decoders
import Families
import Images
import Kernels
import Runtime

/// Runs a model's code without computing, to learn what memory it takes: in an arena whose memory is never touched, on a thread pool that
/// runs no work.
struct DryRun {
  let threads: Int
  /// Whether weights before the decoder are quantised.
  let visionIsQuantized: Bool

  private func context() -> Context {
    Context(
      kernels: KernelTable.best(), pool: ThreadPool(idleWith: threads), arena: Arena(isSparse: true), integerAttention: visionIsQuantized)
  }

  /// Bytes of a session's arena for prompts and answers of any length, as in `Session.run`.
  func answer(_ decoder: Decoder, _ cache: KVCache) throws(RuntimeError) -> Int {
    let context = context()
    let arena = context.arena
    let draft = GenerateOptions().draftTokens
    let logits = try arena.tensor(1 + draft, decoder.vocabSize)
    // The last chunk attends to the most keys.
    for rows in [min(Session.chunk, cache.capacity), min(1 + draft, cache.capacity)] {
      let mark = arena.mark()
      defer { arena.release(to: mark) }
      let x = try arena.tensor(rows, decoder.hiddenSize)
      let states = try decoder(x, cache: cache, progress: nil, context)
      try decoder.logits(states.slice(rows: 0..<min(rows, logits.rows)), into: logits.slice(rows: 0..<min(rows, logits.rows)), context)
      cache.truncate(to: 0)
    }
    return arena.peakResident
  }

  /// Memory for encoding the pictures of a plan.
  /// - Parameter reading: bytes needed while the pictures are made, beside the pictures.
  func encoding(_ vision: any VisionSystem, _ plan: ViewsPlan, reading: Int) throws(FoveaError) -> EncodingMemory {
    guard let pictures = plan.pictureBytes else { throw .outOfMemory("pictures", bytes: .max) }
    let context = context()
    let views: ImageViews
    do throws(ImageError) {
      var blank: [RGBImage] = []
      for picture in plan.pictures { blank.append(try RGBImage(unwrittenWidth: picture.width, height: picture.height)) }
      views = try ImageViews(plan, blank)
    } catch { throw FoveaError(error) }
    do throws(RuntimeError) {
      let encoded = try vision.encode(views, progress: nil, context)
      let floats = encoded.tokens.count + (encoded.map?.values.count ?? 0)
      return EncodingMemory(
        pictures: pictures, reading: reading, arena: context.arena.peakResident, embedding: floats * MemoryLayout<Float>.stride)
    } catch { throw FoveaError(error) }
  }
}
