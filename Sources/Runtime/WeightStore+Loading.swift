// SPDX-License-Identifier: Apache-2.0
import Kernels
import Shims
import WeightFile

/// Where each tensor of a file is placed in memory, and the decoding that puts it there.
struct LoadPlan {
  struct Place {
    /// Used where it is, in the file's mapping.
    var raw: UnsafeRawPointer?
    /// Otherwise: the values' place in the block.
    var offset = 0
    /// f16 values to be widened to f32: in the file's mapping, or else the block's place where they are decoded first.
    var halves: UnsafeRawPointer?
    var halvesOffset = 0
    /// Decoded each time it is loaded, by `WeightPager`.
    var isPaged = false
  }

  let file: WeightFile
  private(set) var tensors: [Place] = []
  /// Bytes of the block.
  private(set) var bytes = 0
  /// Bytes of the block that stay in use after loading; halves to be widened lie after them.
  private(set) var keptBytes = 0
  private(set) var mappedBytes = 0
  /// `bytes` and the places of tensors that do not stay in memory, each on pages of its own.
  private(set) var reservedBytes = 0
  private let paged: [WeightPart?]

  /// - Parameter paged: as in `Residency`.
  init(_ file: WeightFile, paged: [WeightPart?] = []) throws(RuntimeError) {
    self.paged = paged
    self.file = file
    var size = Size()
    let usesInPlace = file.isWorthMapping
    for record in file.records {
      var place = Place()
      let widens = record.encoding == .f16
      let raw = usesInPlace ? file.rawBytes(record) : nil
      if !widens, let raw {
        place.raw = raw
        mappedBytes &+= record.byteCount
      } else if isPaged(tensors.count) {
        place.isPaged = true
      } else {
        place.halves = widens ? raw : nil
        place.offset = try size.add(record.byteCount, times: widens ? 2 : 1)
      }
      tensors.append(place)
    }
    keptBytes = size.bytes
    for (i, record) in file.records.enumerated() where record.encoding == .f16 && tensors[i].halves == nil {
      tensors[i].halvesOffset = try size.add(record.byteCount)
    }
    bytes = size.bytes
    for (i, record) in file.records.enumerated() where tensors[i].isPaged {
      size.startPage()
      tensors[i].offset = try size.add(record.byteCount)
    }
    if size.bytes > bytes { size.startPage() }
    reservedBytes = size.bytes
  }

  private func isPaged(_ i: Int) -> Bool { i < paged.count && paged[i] != nil }

  /// Bytes handed out so far, each piece on a multiple of 64.
  private struct Size {
    var bytes = 0

    mutating func startPage() {
      let page = Int(page_size())
      bytes = (bytes + page - 1) & -page
    }

    mutating func add(_ count: Int, times: Int = 1) throws(RuntimeError) -> Int {
      let start = bytes
      let (piece, overflow) = count.multipliedReportingOverflow(by: times)
      let (end, overflow2) = start.addingReportingOverflow(piece)
      guard !overflow, !overflow2, count >= 0, end <= Int.max - 64 else { throw .outOfMemory(bytes: .max) }
      bytes = (end + 63) & -64
      return start
    }
  }

  /// Decodes every compressed tensor, all frames in file order, in rounds; reports progress between rounds.
  func decode(
    into base: UnsafeMutableRawPointer, pool: ThreadPool, leavesCache: Bool, stop: StopSignal, progress: WeightStore.Progress?
  ) throws(RuntimeError) {
    var frames: [Frame] = []
    var total = 0
    for (i, record) in file.records.enumerated() where tensors[i].raw == nil && tensors[i].halves == nil && !tensors[i].isPaged {
      let place = record.encoding == .f16 ? tensors[i].halvesOffset : tensors[i].offset
      let count = file.frameCount(record)
      total &+= record.byteCount
      for index in 0..<count {
        // A tensor's bytes count as done with its last frame.
        frames.append(Frame(tensor: i, index: index, offset: place, bytes: index == count - 1 ? record.byteCount : 0))
      }
    }
    guard !frames.isEmpty else { return }
    let failure = FirstFailure()
    var done = 0
    var start = 0
    while start < frames.count {
      try stop.check()
      if let progress, !progress(done, total) { throw .cancelled }
      let end = min(start + pool.threads * 8, frames.count)
      pool.run(end - start) { i in
        if failure.isSet || stop.isStopped { return }
        let frame = frames[start + i]
        do throws(WeightFileError) {
          try file.decodeFrame(file.records[frame.tensor], index: frame.index, into: base + frame.offset)
        } catch {
          failure.set(error, at: i)
        }
      }
      if let error = failure.first { throw .weights(error) }
      for frame in frames[start..<end] {
        done &+= frame.bytes
        // After its last frame the stored bytes need not stay in the page cache beside the values.
        if leavesCache, frame.bytes > 0 { file.leaveCache(file.records[frame.tensor]) }
      }
      start = end
    }
    try stop.check()
    if let progress, !progress(done, total) { throw .cancelled }
  }

  private struct Frame {
    let tensor, index, offset, bytes: Int
  }

  /// Widens the plain f16 tensors into their f32 places.
  func widen(in base: UnsafeMutableRawPointer, pool: ThreadPool, kernels: KernelTable) {
    for (i, record) in file.records.enumerated() where record.encoding == .f16 {
      let place = tensors[i]
      let count = record.byteCount / 2
      let halves = (place.halves ?? UnsafeRawPointer(base + place.halvesOffset)).assumingMemoryBound(to: UInt16.self)
      let values = (base + place.offset).assumingMemoryBound(to: Float.self)
      pool.split(count, grain: 1 << 16) { range in
        kernels.halfToFloat(halves + range.lowerBound, values + range.lowerBound, range.count)
      }
    }
  }
}

/// The error of the first frame (in order) that failed, gathered from several threads.
final class FirstFailure: @unchecked Sendable {
  private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let flag = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)
  private var index = Int.max
  private var error: WeightFileError?

  init() {
    lock.initialize(to: pthread_mutex_t())
    pthread_mutex_init(lock, nil)
    flag.initialize(to: 0)
  }

  deinit {
    pthread_mutex_destroy(lock)
    lock.deallocate()
    flag.deallocate()
  }

  var isSet: Bool { atomic_load32(flag) != 0 }

  func set(_ new: WeightFileError, at i: Int) {
    pthread_mutex_lock(lock)
    if i < index { (index, error) = (i, new) }
    pthread_mutex_unlock(lock)
    atomic_store32(flag, 1)
  }

  /// After the threads are done.
  var first: WeightFileError? { error }
}
