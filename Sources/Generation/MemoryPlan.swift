// SPDX-License-Identifier: Apache-2.0
import Decoders
import Families
import Kernels
import Runtime
import Schema
import Shims
import Tokenizers
import WeightFile

/// Bytes that a model with one session takes, known before any weight is decoded.
///
/// What computing takes is found by a dry run: the model is built over a store whose weights are not there, and prefills and decodes in
/// an arena of which nothing is touched, on a thread pool that calls no work. So the figures follow the code. (Encoding still goes by each
/// system's `scratchBytes`.)
package struct MemoryPlan {
  /// Compressed weights decoded into memory, and raw weights used in place (from a mapping they are shared with other processes, and
  /// dropped by the system under pressure).
  package let decodedWeights, mappedWeights: Int
  /// Keys and values of a full context.
  package let cache: Int
  /// An image's vectors, and the scratch memory of encoding the largest image or of answering a prompt, whichever is more.
  package let scratch: Int
  /// What is held beside weights as long as the model: the library's own code and data, tables of the file, of the tokenizer and of
  /// positions, threads' stacks.
  package let tables: Int
  /// Positions that a session holds.
  package let contextLength: Int

  package var weights: Int { decodedWeights + mappedWeights }
  package var total: Int { weights + cache + scratch + tables }

  package init(_ file: WeightFile, _ options: LoadOptions) throws(FoveaError) {
    do throws(RuntimeError) {
      let store = try WeightStore(planning: file)
      (decodedWeights, mappedWeights) = (store.residentBytes, store.mappedBytes)
      let dry = DryRun(threads: ThreadPool.count(options.threads))
      let m = file.metadata
      let (general, settings): (GeneralSettings, DecoderSettings)
      let decoder: Decoder
      do throws(WeightFileError) {
        (general, settings) = (try GeneralSettings(m), try DecoderSettings(m))
        decoder = try settings.decoder(store.root["language"], cacheType: CacheType(general))
      } catch {
        throw .weights(error)
      }
      contextLength = min(max(options.contextLength ?? decoder.contextLength, 1), decoder.contextLength)
      let cache = try decoder.makeCache(capacity: contextLength, type: options.cacheType)
      self.cache = cache.byteCount
      let answer = try dry.answer(decoder, cache)
      let (encoding, embedding): (Int, Int)
      do throws(WeightFileError) {
        let kind = try SystemKind.named(general.system, in: m)
        encoding = try kind.scratchBytes(m, DecoderSizes(settings))
        embedding =
          try kind.build(store.root, m, DecoderSizes(settings)).maximumTokens * decoder.hiddenSize * MemoryLayout<Float>.stride
      } catch { throw .weights(error) }
      scratch = max(answer, encoding) + embedding
      tables =
        library_bytes() + file.tableBytes + Tokenizer.byteCount(pieces: decoder.vocabSize)
        + decoder.tableBytes(positions: contextLength) + ThreadPool.stackBytes(threads: dry.context.pool.threads)
    } catch { throw FoveaError(error) }
  }
}

/// Goes through a model's code without computing.
private struct DryRun {
  let context: Context

  init(threads: Int) {
    context = Context(kernels: KernelTable.best(), pool: ThreadPool(idleWith: threads), arena: Arena(isSparse: true))
  }

  /// Bytes that a session's arena takes for prompts and answers of any length, as `Session.run` goes about them.
  func answer(_ decoder: Decoder, _ cache: KVCache) throws(RuntimeError) -> Int {
    let arena = context.arena
    let draft = GenerateOptions().draftTokens
    let logits = try arena.tensor(1 + draft, decoder.vocabSize)
    // The last chunk sees the most keys.
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
}
