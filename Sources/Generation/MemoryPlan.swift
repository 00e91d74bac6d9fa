// SPDX-License-Identifier: Apache-2.0
import Decoders
import Families
import Runtime
import Schema
import Shims
import Tokenizers
import WeightFile

/// Memory of a model with its sessions in bytes, known before any weight is decoded.
///
/// Scratch memory comes from a dry run: the model is built over a store without weights, encodes a blank image, prefills and decodes. So
/// the figures follow the code.
package struct MemoryPlan {
  /// Which weights are in memory: the first mode that fits the options' budget, all of them without one.
  package let residency: Residency
  /// The smallest budget that suffices.
  package let least: Int
  /// Compressed weights decoded into memory, and raw weights used in place (mapped pages are shared with other processes and can be evicted
  /// under memory pressure); the most that is present at one time.
  package let decodedWeights, mappedWeights: Int
  /// KV cache of one session with a full context.
  package let cache: Int
  /// Sessions that may answer at one time.
  package let sessions: Int
  /// Scratch memory of one session's answer, and of a pass of the decoder, of which one runs at a time.
  package let answer, pass: Int
  /// An image's vectors, and the scratch memory of encoding it or of all sessions' answers, whichever is larger.
  package let scratch: Int
  /// Held beside the weights for the model's lifetime: the library's code and data, tables of the file, the tokenizer and position
  /// encodings, thread stacks, the heap.
  package let tables: Int
  package var weights: Int { decodedWeights + mappedWeights }
  package var caches: Int { MemoryPlan.product(sessions, cache) }
  package var total: Int { MemoryPlan.sum(caches, MemoryPlan.sum(scratch, weights + tables)) }

  package init(_ file: WeightFile, _ options: LoadOptions) throws(FoveaError) {
    sessions = max(options.sessions, 1)
    let contextLength = try options.contextLength(of: file)
    let (decoder, vision): (Decoder, any VisionSystem)
    let dry: DryRun
    let store: WeightStore
    let general: GeneralSettings
    do throws(RuntimeError) {
      store = try WeightStore(planning: file)
      let (m, language) = (file.metadata, store.root["language"].ofDecoder)
      dry = DryRun(threads: ThreadPool.count(options.threads), visionIsQuantized: store.root.isQuantized(outside: language))
      do throws(WeightFileError) {
        let settings = try DecoderSettings(m)
        general = try GeneralSettings(m)
        store.missing = general.missing
        decoder = try settings.decoder(language, cacheType: CacheType(general))
        vision = try SystemKind.named(general.system, in: m).build(store.root, m, DecoderSizes(settings))
      } catch {
        throw .weights(error)
      }
      let cache = try decoder.makeCache(capacity: contextLength, type: options.cacheType, host: nil)
      // A file with only the vision part answers nothing, one with only the decoder encodes nothing.
      self.cache = general.part == .vision ? 0 : cache.byteCount
      answer = general.part == .vision ? 0 : try dry.answer(decoder, contextLength: contextLength)
      pass = general.part == .vision ? 0 : try dry.pass(decoder, contextLength: contextLength, sessions: sessions)
    } catch { throw FoveaError(error) }
    tables = Self.tables(file, decoder, contextLength: contextLength, threads: dry.threads, sessions: sessions)
    var image = try dry.encoding(vision, of: options.imageSize)
    if general.part == .decoder {
      // An embedding given as bytes: the bytes, and the vectors made of them.
      image = EncodingMemory(reading: 2 * image.embedding + MemoryPlan.embeddingTables, embedding: image.embedding)
    }
    // Sessions keep a little scratch memory between calls.
    let idle = MemoryPlan.product(sessions, Arena.kept(of: answer))
    let answers = MemoryPlan.sum(MemoryPlan.product(sessions, answer), pass)
    scratch = max(MemoryPlan.sum(image.peak, idle), MemoryPlan.sum(answers, image.embedding))
    let others = MemoryPlan.sum(MemoryPlan.product(sessions, cache), MemoryPlan.sum(scratch, tables))
    let weights: ResidencyPlan
    (weights, least) = ResidencyPlan.choose(store, budget: options.memoryBudget, mode: options.residency, others: others, threads: dry.threads)
    (residency, decodedWeights, mappedWeights) = (weights.residency, weights.decoded, weights.mapped)
  }

  /// Header and views of an embedding's bytes.
  private static let embeddingTables = 64 << 10

  /// Held beside the weights for the model's lifetime.
  static func tables(_ file: WeightFile, _ decoder: Decoder, contextLength: Int, threads: Int, sessions: Int) -> Int {
    library_bytes() + file.tableBytes + ThreadPool.stackBytes(threads: threads) + heap(threads: threads + sessions)
      + Tokenizer.byteCount(pieces: decoder.vocabSize) + decoder.tableBytes(positions: contextLength)
  }

  /// Heap beyond the tables: small objects of calls, and the memory of libpng, libjpeg and zstd, separately for each thread.
  /// Measured (tools/check-memory).
  private static func heap(threads: Int) -> Int { sum(512 << 10, product(threads, 192 << 10)) }

  private static func product(_ a: Int, _ b: Int) -> Int {
    let (result, overflows) = a.multipliedReportingOverflow(by: b)
    return overflows ? .max : result
  }

  private static func sum(_ a: Int, _ b: Int) -> Int {
    let (result, overflows) = a.addingReportingOverflow(b)
    return overflows ? .max : result
  }
}
