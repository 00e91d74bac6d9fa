// SPDX-License-Identifier: Apache-2.0
import Shims

/// Scratch memory of one computation: a bump allocator over large chunks.
///
/// `mark()` and `release(to:)` bracket a block of a model; what was allocated between them is gone, the chunks stay, so a warm
/// arena never asks the system again. One thread at a time. Memory is not cleared between uses.
package final class Arena {
  /// A state of the arena to go back to.
  package struct Mark {
    fileprivate let chunk: Int
    fileprivate let offset: Int
  }

  private struct Chunk {
    let block: MemoryBlock
    var size: Int { block.byteCount }
    /// Bytes from the start that were handed out at least once; the others were never touched.
    var reached = 0
  }

  private static let alignment = 64
  private static let smallestChunk = 1 << 20
  private static let largestStep = 64 << 20

  private var chunks: [Chunk] = []
  private var current = 0  // chunk that is being filled; chunks after it are free
  private var offset = 0  // bytes used in it
  private var before = 0  // bytes used in the chunks before it

  /// Bytes of chunks never exceed this.
  package let limit: Int
  /// Bytes of chunks now.
  package private(set) var mapped = 0
  /// Most bytes that were in use at one time.
  package private(set) var peak = 0
  /// Bytes handed out at least once since their chunk was made, so resident; and the most so far.
  package private(set) var resident = 0, peakResident = 0
  private let isSparse: Bool
  private let host: HostMemory?
  private let counter: MemoryCounter?

  /// - Parameters:
  ///   - isSparse: for a dry run, which touches nothing of it: the system is not asked whether it has memory.
  ///   - host: where chunks come from; nil: the system.
  ///   - counter: counts the bytes of its chunks.
  package init(limit: Int = .max, isSparse: Bool = false, host: HostMemory? = nil, counter: MemoryCounter? = nil) {
    self.limit = limit
    self.host = host
    self.counter = counter
    self.isSparse = isSparse
  }

  deinit { counter?.add(-mapped) }

  /// Bytes in use, rounding included.
  package var used: Int { before + offset }

  package func mark() -> Mark { Mark(chunk: current, offset: offset) }

  /// Frees everything allocated since `mark` was taken.
  package func release(to mark: Mark) {
    assert(mark.chunk < current || (mark.chunk == current && mark.offset <= offset))
    while current > mark.chunk {
      current -= 1
      before -= filled.removeLast()
    }
    offset = mark.offset
  }

  /// Gives back chunks that are not in use.
  /// - Parameter keepsFirst: a first chunk of the smallest size stays: making it anew would cost short computations more than it saves.
  package func trim(keepsFirst: Bool = false) {
    let least = keepsFirst && (chunks.first?.size ?? .max) <= Arena.smallestChunk ? 1 : 0
    let kept = used == 0 ? least : current + 1
    while chunks.count > kept { removeLastChunk() }
  }

  /// The most that `trim(keepsFirst:)` leaves of an empty arena that `bytes` were in use of.
  package static func kept(of bytes: Int) -> Int { min(bytes, smallestChunk) }

  /// `[rows, columns]` floats with any content, 64-byte aligned.
  package func tensor(_ rows: Int, _ columns: Int) throws(RuntimeError) -> Tensor {
    Tensor(data: try array(of: Float.self, rows, columns), rows: rows, columns: columns, owner: self)
  }

  /// `rows · columns` values of a plain type with any content, 64-byte aligned.
  package func array<T: BitwiseCopyable>(of type: T.Type, _ rows: Int, _ columns: Int = 1) throws(RuntimeError) -> UnsafeMutablePointer<T> {
    let (count, overflow) = rows.multipliedReportingOverflow(by: columns)
    let (bytes, overflow2) = count.multipliedReportingOverflow(by: MemoryLayout<T>.stride)
    guard !overflow, !overflow2, rows >= 0, columns >= 0 else { throw .outOfMemory(bytes: .max) }
    return try allocate(bytes: bytes).bindMemory(to: type, capacity: count)
  }

  /// Memory with any content, 64-byte aligned.
  package func allocate(bytes: Int) throws(RuntimeError) -> UnsafeMutableRawPointer {
    guard bytes >= 0, bytes <= Int.max - 4096 else { throw .outOfMemory(bytes: bytes) }
    let size = max(bytes + Arena.alignment - 1, Arena.alignment) & -Arena.alignment
    if current >= chunks.count || chunks[current].size - offset < size { try nextChunk(size) }
    let p = chunks[current].block.base + offset
    offset += size
    peak = max(peak, used)
    if offset > chunks[current].reached {
      resident += offset - chunks[current].reached
      chunks[current].reached = offset
      peakResident = max(peakResident, resident)
    }
    return p
  }

  // Bytes used in each chunk before `current`, so that release can subtract them.
  private var filled: [Int] = []

  /// Makes `current` an empty chunk with room for `size` bytes.
  private func nextChunk(_ size: Int) throws(RuntimeError) {
    // An empty current chunk that is too small is of no use here: look at it like the free ones after it.
    let next = offset == 0 ? current : current + 1
    if next >= chunks.count || chunks[next].size < size {
      while chunks.count > next { removeLastChunk() }  // free and too small: make room for one that fits from now on
      try addChunk(size)
    }
    if next != current {
      filled.append(offset)
      before += offset
    }
    current = next
    offset = 0
  }

  private func addChunk(_ size: Int) throws(RuntimeError) {
    // Chunks grow with the arena, so that their number stays small.
    var wanted = max(size, min(max(mapped, Arena.smallestChunk), Arena.largestStep))
    if wanted > limit - mapped { wanted = size }
    let page = Int(page_size())
    wanted = (wanted + page - 1) & -page
    if wanted > limit - mapped { wanted = size }  // the last bytes below a limit that is no multiple of a page
    guard wanted <= limit - mapped else { throw .outOfMemory(bytes: size) }
    do { chunks.append(Chunk(block: try MemoryBlock(wanted, isSparse ? .sparse : .scratch, host: host))) } catch {
      if case .outOfMemory = error { throw .outOfMemory(bytes: size) }
      throw error
    }
    mapped += wanted
    counter?.add(wanted)
  }

  private func removeLastChunk() {
    guard let chunk = chunks.popLast() else { return }
    mapped -= chunk.size
    counter?.add(-chunk.size)
    resident -= chunk.reached
  }
}
