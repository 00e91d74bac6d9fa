// SPDX-License-Identifier: Apache-2.0
import Kernels
import Shims
import WeightFile

/// The tensors of a weight file, ready for the kernels.
///
/// Raw tensors are used in place where the file allows it (`WeightFile.rawBytes`) and is not mostly compressed; all others are decoded once, in
/// parallel, into one block of memory; plain f16 tensors (norms, biases, tables) are widened to f32. Immutable once made: any number of threads may
/// read it.
package final class WeightStore: @unchecked Sendable {
  package let file: WeightFile
  /// Anonymous memory this store holds: decoded and widened tensors.
  package let residentBytes: Int
  /// The most that loading held: `residentBytes` and the f16 tensors that were widened.
  package let loadingBytes: Int
  /// Bytes used in place from the file's mapping.
  package let mappedBytes: Int
  /// Bytes of tensors that are decoded each time they are loaded.
  package let pagedBytes: Int
  /// Bytes of all tensors as they are used.
  let byteCount: Int

  /// Loads weights that do not stay in memory; nil: all stay.
  package let pager: WeightPager?

  private let memory: MemoryBlock
  /// Where each tensor of the file is.
  private let data: [UnsafeRawPointer]
  /// What the system that is built over this store reads each tensor for; kept while it is built.
  private var uses: [Use]

  private struct Use {
    var isProduct = false, isRows = false, isHead = false, isOther = false
    var ofVision = false, ofDecoder = false
    var part: WeightPart { ofDecoder ? .decoder : .vision }
  }

  /// Which half of the system has its tensors in another file; set before anything is built.
  package var missing: WeightPart?
  private var blanks: MemoryBlock?
  private var oldBlanks: [MemoryBlock] = []

  /// Called on the loading thread between rounds of decoding; false stops with `RuntimeError.cancelled`.
  package typealias Progress = (_ doneBytes: Int, _ totalBytes: Int) -> Bool

  /// - Parameters:
  ///   - limit: most bytes to take for decoded tensors; nil: what the process can have.
  ///   - residency: which weights stay in memory.
  ///   - leavesCache: whether stored bytes leave the page cache once they are decoded.
  ///   - host: where the memory comes from, unless it holds weights that do not stay; nil: the system.
  /// - Throws: `weights` when a tensor cannot be decoded, `outOfMemory`, `cancelled` or `deadlineExceeded` when told to stop.
  package convenience init(
    _ file: WeightFile, pool: ThreadPool, kernels: KernelTable, limit: Int? = nil, residency: Residency = Residency(),
    leavesCache: Bool = false, host: HostMemory? = nil, stop: StopSignal = StopSignal(), progress: Progress? = nil
  ) throws(RuntimeError) {
    let plan = try LoadPlan(file, paged: residency.paged)
    // A small file may claim any decoded size; touching more memory than there is would end the process.
    guard plan.bytes <= limit ?? ProcessMemory.limitBytes() else { throw .outOfMemory(bytes: plan.bytes) }
    let isPaged = plan.reservedBytes > plan.bytes
    let memory = try MemoryBlock(plan.reservedBytes, isPaged ? .sparse : .whole, host: isPaged ? nil : host)
    try plan.decode(into: memory.base, pool: pool, leavesCache: leavesCache, stop: stop, progress: progress)
    file.releaseDecoders()
    plan.widen(in: memory.base, pool: pool, kernels: kernels)
    // The widened f16 values.
    memory.forget(from: plan.keptBytes)
    file.forgetPages()
    self.init(plan, memory, residency)
  }

  /// A store for dry runs: every tensor has its place, but nothing is decoded; tensors that would be, read as zeros.
  package convenience init(planning file: WeightFile) throws(RuntimeError) {
    let plan = try LoadPlan(file)
    self.init(plan, try MemoryBlock(plan.bytes, .sparse), Residency())
  }

  private init(_ plan: LoadPlan, _ memory: MemoryBlock, _ residency: Residency) {
    file = plan.file
    self.memory = memory
    residentBytes = plan.keptBytes
    loadingBytes = plan.bytes
    mappedBytes = plan.mappedBytes
    pagedBytes = zip(plan.file.records, plan.tensors).reduce(0) { $1.1.isPaged ? $0 &+ $1.0.byteCount : $0 }
    byteCount = plan.file.records.reduce(0) { $0 &+ $1.byteCount }
    let data = plan.tensors.map { $0.raw ?? UnsafeRawPointer(memory.base + $0.offset) }
    self.data = data
    uses = Array(repeating: Use(), count: data.count)
    pager = residency.mode == .resident ? nil : residency.pager(plan, data)
  }

  /// Notes what a tensor is read for.
  func note(_ name: String, _ use: MatrixUse?, _ part: WeightPart) {
    if let i = file.index(of: name) { note(i, use, part) }
  }

  /// The same of a tensor by its place, for the half that reads it already.
  func note(_ place: UnsafeRawPointer, _ use: MatrixUse) {
    if let i = data.firstIndex(of: place) { note(i, use, uses[i].part) }
  }

  private func note(_ i: Int, _ use: MatrixUse?, _ part: WeightPart) {
    switch use {
    case .products: uses[i].isProduct = true
    case .rows: uses[i].isRows = true
    case .head: uses[i].isHead = true
    case nil: uses[i].isOther = true
    }
    if part == .decoder { uses[i].ofDecoder = true } else { uses[i].ofVision = true }
  }

  /// After a system was built: whether a half of it reads a tensor.
  package func isRead(_ record: TensorRecord, by part: WeightPart) -> Bool {
    guard let i = file.index(of: record.name) else { return false }
    return part == .decoder ? uses[i].ofDecoder : uses[i].ofVision
  }

  func leavesOut(_ part: WeightPart) -> Bool { missing == part }

  /// Zeros in place of tensors that are in another file: at least `bytes`, at one place for all of them.
  func blank(_ bytes: Int) -> UnsafeRawPointer? {
    if let blanks, blanks.byteCount >= bytes { return UnsafeRawPointer(blanks.base) }
    guard bytes <= ProcessMemory.limitBytes(), let larger = try? MemoryBlock(bytes, .sparse) else { return nil }
    // Earlier blanks stay valid.
    oldBlanks.append(larger)
    blanks = larger
    return UnsafeRawPointer(larger.base)
  }

  /// After a system was built: the tensors that need not stay in memory, because only matrix products read them or they are mapped tables of rows.
  /// An LM head is loaded in parts, none larger than the largest other matrix.
  package var pageable: [PageableTensor] {
    let whole = file.records.indices.compactMap { i in pageable(i) }
    let largest = whole.reduce(0) { $1.isProduct && !isInParts($1) ? max($0, $1.unit) : $0 }
    return whole.map { tensor in
      guard isInParts(tensor), let layout = file.records[tensor.record].layout, largest > 0 else { return tensor }
      var part = tensor
      // An even number of blocks: some kernels take two at once.
      part.unit = min(max(largest / layout.blockStride & -2, 2) &* layout.blockStride, tensor.unit)
      return part
    }
  }

  private func isInParts(_ tensor: PageableTensor) -> Bool {
    let use = uses[tensor.record]
    return tensor.isMapped && use.isHead && !use.isProduct
  }

  private func pageable(_ i: Int) -> PageableTensor? {
    let (record, use) = (file.records[i], uses[i])
    let isMapped = isInFile(i) && file.isMapped
    let isProduct = use.isProduct || use.isHead
    guard isProduct || use.isRows, !use.isOther, record.byteCount >= PageableTensor.least else { return nil }
    // Memory of the host cannot be dropped; a decoded tensor is loaded as a whole.
    guard isMapped || (!isInFile(i) && !use.isRows && record.matrixCount == 1) else { return nil }
    return PageableTensor(
      record: i, byteCount: record.byteCount, unit: record.byteCount / max(record.matrixCount, 1), part: use.part, isMapped: isMapped,
      isProduct: isProduct, isRows: use.isRows)
  }

  private func isInFile(_ i: Int) -> Bool { data[i] < UnsafeRawPointer(memory.base) || data[i] >= UnsafeRawPointer(memory.base + memory.byteCount) }

  /// Bytes decoded to memory of their own, and bytes in use of the file's mapping, without tensors that are not loaded now.
  package var presentBytes: (own: Int, mapped: Int) {
    guard let pager else { return (residentBytes, mappedBytes) }
    let (all, present) = (pager.bytes, pager.presentBytes)
    return (residentBytes &+ present.own, mappedBytes &- all.mapped &+ present.mapped)
  }

  /// All tensors, by their full names.
  package var root: Weights { Weights(store: self, prefix: "") }

  /// A tensor and where its values are. Plain f16 tensors are returned as f32.
  func find(_ name: String) -> (record: TensorRecord, data: UnsafeRawPointer)? {
    guard let i = file.index(of: name) else { return nil }
    return (file.records[i], data[i])
  }

  /// Names and addresses of all packed matrices, in the file's order.
  package var matrices: [(name: String, data: UnsafeRawPointer)] {
    zip(file.records, data).compactMap { $0.encoding.isPacked ? ($0.name, $1) : nil }
  }
}
