// SPDX-License-Identifier: Apache-2.0
import Shims
import WeightFile

/// Which half of a system reads a weight.
package enum WeightPart: Sendable {
  case vision, decoder
}

/// Weights that are loaded when used and dropped for others: at most `budget` bytes of them are in memory.
///
/// A mapped weight is loaded by reading it and dropped by giving its pages back; any other is decoded to its place, by all threads, each time it is
/// loaded. Addresses never change. A thread holds a weight while it uses it, and never two, so that waiting for room always ends. Weights of the
/// other half of the system are dropped first, then the least recently used.
package final class WeightPager: @unchecked Sendable {
  /// Bytes of a table's pages that looking up rows may leave in memory.
  package static let rowRoom = 8 << 20
  /// Bytes that a page fault may load around a row: the system maps so much of a file at once.
  private static let faultBytes = 64 << 10
  /// Bytes of read-ahead.
  private static let aheadBytes = 64 << 20

  /// A weight that is loaded and dropped as a whole.
  struct Unit {
    let base: UnsafeRawPointer
    let byteCount: Int
    let record: Int
    let part: WeightPart
    let isMapped: Bool
    var users = 0
    var isPresent = false
    /// Somebody is decoding it.
    var isComing = false
    /// Its read-ahead has been requested.
    var isAhead = false
    var lastUse = 0
    /// What was used after it the last time.
    var next: Int
  }

  private let file: WeightFile
  private let budget: Int
  private let readsAhead: Bool
  /// Whether dropped weights leave the page cache as well: the file is larger than the memory of this process.
  private let leavesCache: Bool
  /// Sorted by address; under the lock, like all that changes.
  private var units: [Unit]
  /// Where they are, for threads without the lock.
  private let places: [UnsafeRawBufferPointer]
  /// Mapped tables that rows are looked up in.
  private let tables: [UnsafeRawBufferPointer]
  private var touched = 0
  private var present = 0
  private var clock = 0
  private var last: Int?
  private var process = getpid()
  private let lock = PagerLock()

  /// - Parameters:
  ///   - budget: bytes, at least the largest unit's bytes.
  ///   - readsAhead: request read-ahead of what is used next.
  init(_ file: WeightFile, units: [Unit], tables: [UnsafeRawBufferPointer], budget: Int, readsAhead: Bool) {
    self.file = file
    self.units = units.sorted { $0.base < $1.base }
    places = self.units.map { UnsafeRawBufferPointer(start: $0.base, count: $0.byteCount) }
    for i in self.units.indices { self.units[i].next = i + 1 < units.count ? i + 1 : 0 }
    self.tables = tables
    self.budget = budget
    self.readsAhead = readsAhead
    leavesCache = readsAhead && ProcessMemory.limitBytes() < file.byteCount
    for table in tables {
      if let base = table.baseAddress { file.adviseSmallPages(base, table.count) }
    }
  }

  /// Bytes of all units, and of those in memory now: decoded to memory of their own, and in the file's mapping.
  var bytes: (own: Int, mapped: Int) { lock.locked { sum { _ in true } } }
  var presentBytes: (own: Int, mapped: Int) { lock.locked { sum { $0.isPresent } } }

  private func sum(_ counts: (Unit) -> Bool) -> (own: Int, mapped: Int) {
    units.reduce((0, 0)) { !counts($1) ? $0 : $1.isMapped ? ($0.0, $0.1 + $1.byteCount) : ($0.0 + $1.byteCount, $0.1) }
  }

  /// Calls `body` while the weight at `data` is in memory.
  func using<Result>(
    _ data: UnsafeRawPointer, _ ctx: Context, _ body: () throws(RuntimeError) -> Result
  ) throws(RuntimeError) -> Result {
    guard let i = unit(at: data) else { return try body() }
    try take(i, ctx)
    defer { lock.locked { units[i].users -= 1 } }
    if readsAhead { readAhead(of: i) }
    return try body()
  }

  /// Bytes that are loaded together with those at `data`; nil: all that are there stay in memory.
  func unitBytes(at data: UnsafeRawPointer) -> Int? { unit(at: data).map { places[$0].count } }

  /// Called before rows of a mapped table are read: gives its pages back once too many were touched.
  func willReadRows(of data: UnsafeRawPointer, _ rows: Int) {
    guard let table = tables.first(where: { $0.baseAddress == data }) else { return }
    lock.locked {
      touched += min(rows, table.count) * Self.faultBytes
      guard touched > Self.rowRoom / 2 else { return }
      touched = 0
      if let i = unit(at: data) {
        let end = data + table.count
        if units[i...].prefix(while: { $0.base < end }).contains(where: { $0.isPresent }) { return }
      }
      file.forgetPages(data, table.count)
    }
  }

  /// Drops everything that is not in use.
  package func empty() {
    lock.locked {
      for i in units.indices where units[i].isPresent && units[i].users == 0 { drop(i) }
    }
  }

  private func unit(at data: UnsafeRawPointer) -> Int? {
    var (low, high) = (0, places.count)
    while low < high {
      let middle = (low + high) / 2
      if let base = places[middle].baseAddress, base <= data { low = middle + 1 } else { high = middle }
    }
    guard low > 0, let base = places[low - 1].baseAddress, data < base + places[low - 1].count else { return nil }
    return low - 1
  }

  private enum Turn { case has, brings, waits }

  private func take(_ i: Int, _ ctx: Context) throws(RuntimeError) {
    while true {
      switch lock.locked({ turn(i) }) {
      case .has: return
      case .brings: return try bring(i, ctx)
      case .waits:
        try ctx.check()
        // A product or a decoding ends in milliseconds.
        pause_microseconds(100)
      }
    }
  }

  /// Under the lock.
  private func turn(_ i: Int) -> Turn {
    if process != getpid() { beginChild() }
    if units[i].isComing { return .waits }
    if !units[i].isPresent {
      guard makeRoom(for: i) else { return .waits }
      present += units[i].byteCount
      if units[i].isMapped { units[i].isPresent = true } else { units[i].isComing = true }
    }
    units[i].users += 1
    clock += 1
    units[i].lastUse = clock
    if let last, last != i { units[last].next = i }
    last = i
    return units[i].isComing ? .brings : .has
  }

  /// In a child made by fork no thread holds a weight.
  private func beginChild() {
    process = getpid()
    for i in units.indices {
      units[i].users = 0
      if units[i].isComing { present -= units[i].byteCount }
      units[i].isComing = false
    }
  }

  private func makeRoom(for i: Int) -> Bool {
    while present + units[i].byteCount > budget {
      var victim: Int?
      for k in units.indices where units[k].isPresent && units[k].users == 0 {
        guard let best = victim else {
          victim = k
          continue
        }
        let (isOther, bestIsOther) = (units[k].part != units[i].part, units[best].part != units[i].part)
        if isOther != bestIsOther ? isOther : units[k].lastUse < units[best].lastUse { victim = k }
      }
      guard let victim else { return false }
      drop(victim)
    }
    return true
  }

  private func drop(_ i: Int) {
    let unit = units[i]
    units[i].isPresent = false
    units[i].isAhead = false
    present -= unit.byteCount
    if unit.isMapped {
      file.forgetPages(unit.base, unit.byteCount)
      if leavesCache { file.leaveCache(unit.base, unit.byteCount) }
    } else {
      pages_forget(UnsafeMutableRawPointer(mutating: unit.base), unit.byteCount)
    }
  }

  private func bring(_ i: Int, _ ctx: Context) throws(RuntimeError) {
    let unit = lock.locked { units[i] }
    let record = file.records[unit.record]
    let failure = FirstFailure()
    // Decoded completely, even when this call is being stopped: others wait for it.
    ctx.pool.threadPool.run(file.frameCount(record)) { index in
      do throws(WeightFileError) {
        try file.decodeFrame(record, index: index, into: UnsafeMutableRawPointer(mutating: unit.base))
      } catch { failure.set(error, at: index) }
    }
    let error = failure.first
    lock.locked {
      units[i].isComing = false
      units[i].isPresent = error == nil
      if error != nil {
        units[i].users -= 1
        present -= unit.byteCount
        pages_forget(UnsafeMutableRawPointer(mutating: unit.base), unit.byteCount)
      }
    }
    if let error { throw .weights(error) }
  }

  /// Requests read-ahead of the units that were used after this one last time, up to `aheadBytes`.
  private func readAhead(of first: Int) {
    var wanted: [Unit] = []
    lock.locked {
      var (i, bytes) = (units[first].next, 0)
      while i != first, bytes < Self.aheadBytes {
        if !units[i].isPresent, !units[i].isComing, !units[i].isAhead {
          units[i].isAhead = true
          wanted.append(units[i])
        }
        bytes += max(units[i].byteCount, 1 << 16)
        i = units[i].next
      }
    }
    for unit in wanted {
      if unit.isMapped { file.readAhead(unit.base, unit.byteCount) } else { file.readAhead(file.records[unit.record]) }
    }
  }
}

/// A lock that survives fork: a child takes it over from a thread of its parent.
private final class PagerLock: @unchecked Sendable {
  /// 0: open; else the process whose thread is inside.
  private let holder = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)

  init() { holder.initialize(to: 0) }

  deinit { holder.deallocate() }

  func locked<Result>(_ body: () -> Result) -> Result {
    let me = UInt32(truncatingIfNeeded: getpid())
    while true {
      let found = atomic_load32(holder)
      if found == 0 || found != me, atomic_exchange32_if(holder, found, me) { break }
      pause_microseconds(20)
    }
    defer { atomic_store32(holder, 0) }
    return body()
  }
}
