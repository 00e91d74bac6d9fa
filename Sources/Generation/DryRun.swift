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
  func answer(_ decoder: Decoder, contextLength: Int) throws(RuntimeError) -> Int {
    let arena = Arena(isSparse: true)
    for _ in 0..<GenerationPipeline.vocabularyRows(GenerateOptions()) { _ = try arena.tensor(1, decoder.vocabSize) }
    _ = try arena.tensor(min(Session.chunk, contextLength), decoder.hiddenSize)
    return arena.peakResident
  }

  /// Bytes of `DecoderBatcher`'s arena for a pass of one session, or of several.
  func pass(_ decoder: Decoder, contextLength: Int, sessions: Int) throws(RuntimeError) -> Int {
    let context = context()
    let arena = context.arena
    // The logits are the sessions' own.
    let logits = Arena(isSparse: true)
    let rows = min(Session.chunk, contextLength)
    let scored = min(1 + GenerateOptions().draftTokens, contextLength)
    let (together, overflows) = contextLength.multipliedReportingOverflow(by: sessions)
    let shared = sessions > 1 ? min(DecoderBatcher.mostRows, overflows ? .max : together) : 0
    let cache = try decoder.makeCache(capacity: max(rows, shared), type: nil, host: nil)
    for (rows, scored) in [(rows, 1), (scored, scored)] {
      let x = try logits.tensor(rows, decoder.hiddenSize)
      try DecoderPass(decoder, x, cache, scores: try logits.tensor(scored, decoder.vocabSize)).run(context)
      cache.truncate(to: 0)
    }
    if shared > 0 {
      var pass = DecoderPass(decoder, try arena.tensor(shared, decoder.hiddenSize))
      pass.append(cache, rows: shared)
      // Rows that are not contiguous.
      for row in stride(from: 0, to: min(shared, 2 * sessions), by: 2) {
        pass.score(row: row, into: try logits.tensor(1, decoder.vocabSize).data)
      }
      try pass.run(context)
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
