// SPDX-License-Identifier: Apache-2.0
import Decoders
import Families
import Images
import Kernels
import Runtime
import Shims
import Tokenizers
import WeightFile

/// A loaded weight file and the system in it. Immutable: any number of threads and sessions may share one.
package final class Model {
  package let file: WeightFile
  package let system: LoadedSystem
  /// Most positions of a session.
  package let contextLength: Int
  let cacheType: CacheType?
  let kernels: KernelTable
  package let pool: ThreadPool
  private let store: WeightStore
  let vocabularyTree = VocabularyTrie()
  package let batcher: DecoderBatcher
  private let statistics: InputStatistics?
  let log: Log?
  let hostMemory: HostMemory?
  /// nil: no limit.
  let budget: Budget?
  /// Bytes that the memory budget has left; nil: no budget.
  package var room: Int? { budget?.left }
  /// Most bytes that the process can have, by physical memory and control groups at load time.
  package let memoryLimit = ProcessMemory.limitBytes()
  /// The memory budget; nil: none.
  package var budgetBytes: Int? { budget?.total }
  /// Which weights are in memory.
  package let residency: Residency.Mode
  let counters = MemoryCounters()
  /// Bytes held beside the weights for the model's lifetime.
  let tableBytes: Int

  /// Maps and validates the file at `path` and prepares its system.
  package static func load(path: UnsafePointer<CChar>, options: LoadOptions) throws(FoveaError) -> Model {
    let file: WeightFile
    do { file = try WeightFile(path: path, maps: options.maps) } catch { throw FoveaError(error) }
    return try Model(file, options)
  }

  /// Loads from bytes in memory. Where they are 64-byte aligned and `options.maps`, they must stay valid and unchanged for the model's
  /// lifetime; otherwise they are read only while loading.
  package static func load(bytes: UnsafeRawBufferPointer, options: LoadOptions) throws(FoveaError) -> Model {
    let file: WeightFile
    do { file = try WeightFile(bytes: bytes, copy: false, inPlace: options.maps) } catch { throw FoveaError(error) }
    return try Model(file, options)
  }

  /// The memory that loading the file would take, without loading it.
  package static func plan(path: UnsafePointer<CChar>, options: LoadOptions) throws(FoveaError) -> MemoryPlan {
    let file: WeightFile
    do { file = try WeightFile(path: path, maps: options.maps) } catch { throw FoveaError(error) }
    try options.check()
    return try MemoryPlan(file, options)
  }

  /// Most bytes of the maps of one call's regions, without a budget.
  private static let mostMapBytes = 512 << 20

  /// Holds memory for maps of regions as long as the result lives, or throws where there is none.
  /// - Parameter all: bytes of all of the call's.
  package func holdMaps(_ bytes: Int, ofCall all: Int) throws(FoveaError) -> MemoryHolding? {
    if let budget { return try budget.hold(bytes, "regions") }
    guard all <= Self.mostMapBytes else { throw .outOfMemory("regions", bytes: all) }
    return nil
  }

  private init(_ file: WeightFile, _ options: LoadOptions) throws(FoveaError) {
    try options.check()
    self.file = file
    contextLength = try options.contextLength(of: file)
    // The plan dry-runs the whole model: only needed for a budget or a residency mode.
    let plan = if options.memoryBudget != nil || options.residency != nil { try MemoryPlan(file, options) } else { nil as MemoryPlan? }
    budget = if let bytes = options.memoryBudget, let plan { try Budget(bytes, plan, file: file.name) } else { nil }
    let residency = plan?.residency ?? Residency()
    self.residency = residency.mode
    cacheType = options.cacheType
    statistics = options.statistics
    log = options.log
    hostMemory = options.hostMemory
    batcher = DecoderBatcher(Arena(host: hostMemory, counter: counters.scratch), keepsMemory: budget == nil)
    do { try requireMemory() } catch { throw FoveaError(error) }
    do { kernels = try KernelTable.choose() } catch { throw .instructionSet(error) }
    pool = ThreadPool(threads: options.threads, host: options.hostThreads)
    do { if options.verify { try file.verify() } } catch { throw FoveaError(error) }
    do {
      store = try WeightStore(
        file, pool: pool, kernels: kernels, residency: residency, leavesCache: budget != nil, host: hostMemory,
        progress: options.progress)
    } catch { throw FoveaError(error) }
    do { try requireMemory() } catch { throw FoveaError(error) }
    do { system = try LoadedSystem(store.root, file.metadata) } catch { throw error.named(file.name) }
    tableBytes = MemoryPlan.tables(
      file, system.decoder, contextLength: contextLength, threads: pool.threads, sessions: max(options.sessions, 1))
    logLoading(options)
  }

  package var metadata: Metadata { file.metadata }
  /// The identity that image embeddings refer to: the same for all files packed or split from one model.
  package var identity: WeightFile.Identity { system.general.identity(of: file) }
  package var isaName: StaticString { kernels.name }
  /// Bytes of all weights, decoded or used in place.
  package var weightBytes: Int { store.residentBytes + store.mappedBytes + store.pagedBytes }
  /// Bytes of decoded weights that are not the mapping's own.
  package var residentBytes: Int { store.residentBytes }
  /// Bytes of weights present in allocated memory, and in the file's mapping; those not present at the moment excluded.
  var presentWeights: (own: Int, mapped: Int) { store.presentBytes }

  /// Releases what can be made or read again: file pages, streamed weights, decoders' memory. Safe while calls run.
  package func trim() {
    store.pager?.empty()
    batcher.trim()
    file.releaseDecoders()
    file.forgetPages()
    heap_trim()
  }

  /// Names and addresses of the matrices, the keys of `InputStatistics`.
  package var matrices: [(name: String, data: UnsafeRawPointer)] { store.matrices }

  /// Scratch memory for one computation at a time.
  func arena() -> Arena { Arena(host: hostMemory, counter: counters.scratch) }

  /// An empty KV cache.
  func cache(_ capacity: Int) throws(RuntimeError) -> KVCache { try system.decoder.makeCache(capacity: capacity, type: cacheType, host: hostMemory) }

  package func context(_ arena: Arena, _ stop: StopSignal) -> Context {
    Context(
      kernels: kernels, pool: pool, arena: arena, stop: stop, integerAttention: system.visionIsQuantized, statistics: statistics,
      pager: store.pager)
  }

  /// Encodes an image into the vectors that replace its mark in a prompt. Rows are read once, and only as many are held as resizing needs. An
  /// image that exceeds the memory budget is an error before anything is allocated.
  /// - Parameters:
  ///   - tiles: most tiles to cut the image into, for systems that cut on request; nil: the system's default.
  ///   - mode: name of one of the system's own encoding modes; nil: the default.
  ///   - progress: called while rows are read and between encoder blocks, with blocks done and in all; false stops the work.
  package func encode(
    _ image: any RowSource, tiles: Int? = nil, mode: [UInt8]? = nil, stop: StopSignal = StopSignal(),
    progress: ((Int, Int) -> Bool)? = nil
  ) throws(FoveaError) -> ImageEmbedding {
    guard system.encodesImages else {
      throw .unsupported("image", "\(file.name) is the decoder of a system without what encodes images; it takes embeddings made elsewhere.")
    }
    let plan = try viewsPlan(image.size, tiles: tiles, mode: mode)
    let holding = try hold(image, plan)
    let views = try read(image, plan, stop, progress)
    let arena = arena()
    // The tokens stay in the arena until they are copied.
    defer { withExtendedLifetime(arena) {} }
    do {
      let encoded = try system.vision.encode(
        views, progress: { done, total in if progress?(done, total) == false { stop.cancel() } }, context(arena, stop))
      try stop.check()
      let embedding = try ImageEmbedding(
        copying: encoded.tokens, map: encoded.map, width: image.size.width, height: image.size.height, views: encoded.views,
        host: hostMemory)
      holding?.shrink(to: embedding.heldBytes)
      embedding.holding = holding
      embedding.counted = CountedMemory(counters.images, embedding.heldBytes)
      log?(.debug, "\(image.name): \(image.size.width) × \(image.size.height) pixels are \(embedding.tokens) tokens")
      return embedding
    } catch { throw FoveaError(error) }
  }

  /// Encodes an image in memory.
  package func encode(
    _ image: RGBImage, tiles: Int? = nil, mode: [UInt8]? = nil, stop: StopSignal = StopSignal(), progress: ((Int, Int) -> Bool)? = nil
  ) throws(FoveaError) -> ImageEmbedding {
    try encode(PixelRows(image), tiles: tiles, mode: mode, stop: stop, progress: progress)
  }

  private func viewsPlan(_ size: ImageSize, tiles: Int?, mode: [UInt8]?) throws(FoveaError) -> ViewsPlan {
    do throws(ImageError) {
      if let mode { return try system.vision.views(of: size, mode: mode, tiles: tiles) }
      if let tiles { return try system.vision.views(of: size, tiles: tiles) }
      return try system.vision.views(of: size)
    } catch { throw FoveaError(error) }
  }

  /// Reserves memory of the budget for encoding an image; nil: no budget.
  private func hold(_ image: any RowSource, _ plan: ViewsPlan) throws(FoveaError) -> MemoryHolding? {
    guard let budget else { return nil }
    let reading = plan.readingBytes(source: image.workingBytes, storedWidth: image.storedWidth, image.orientation)
    let dry = DryRun(threads: pool.threads, visionIsQuantized: system.visionIsQuantized)
    let need = try dry.encoding(system.vision, plan, reading: reading).peak
    return try budget.hold(need, "\(image.name): encoding \(image.size.width) × \(image.size.height) pixels")
  }

  private func read(
    _ image: any RowSource, _ plan: ViewsPlan, _ stop: StopSignal, _ progress: ((Int, Int) -> Bool)?
  ) throws(FoveaError) -> ImageViews {
    do throws(ImageError) {
      let blocks = system.vision.blocks(views: plan.cuts.count)
      // The callback runs a hundred times a second, not once per row.
      var next = StopSignal.now &+ Self.callbackInterval
      let pictures = try image.pictures(plan.pictures) {
        if let progress, StopSignal.now >= next {
          next = StopSignal.now &+ Self.callbackInterval
          if !progress(0, blocks) { stop.cancel() }
        }
        return stop.isStopped
      }
      return try ImageViews(plan, pictures)
    } catch { throw FoveaError(error, stop) }
  }

  /// Nanoseconds.
  private static let callbackInterval: UInt64 = 10_000_000

  /// Token ids of a text, as inside a prompt: without begin-of-sequence id.
  package func tokenize(_ text: [UInt8], parseSpecials: Bool = true) throws(FoveaError) -> [Int32] {
    do { return try system.tokenizer.encode(text, addBOS: false, parseSpecials: parseSpecials) } catch {
      throw FoveaError(error)
    }
  }

  /// The text of token ids, UTF-8.
  /// - Parameter showsSpecials: writes special tokens too; false omits them.
  package func detokenize(_ ids: [Int32], showsSpecials: Bool = false) throws(FoveaError) -> [UInt8] {
    let count = system.decoder.vocabSize
    var bytes = 0
    for id in ids {
      guard id >= 0, id < count else { throw FoveaError.argument("ids", "\(id) is outside the vocabulary of \(count)") }
      bytes += system.tokenizer.mostBytes(of: id)
    }
    // The text's array doubles as it grows.
    do throws(RuntimeError) { try requireRoom(3, of: bytes) } catch { throw FoveaError(error) }
    return system.tokenizer.decode(ids, showsSpecials: showsSpecials)
  }
}
