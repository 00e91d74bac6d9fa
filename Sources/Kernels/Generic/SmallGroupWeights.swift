// SPDX-License-Identifier: Apache-2.0
#if HAS_LANES
import Shims

/// 8 inputs of 16 rows as unsigned bytes: inputs 0 … 3, then 4 … 7.
struct QuadPair {
  let first, second: IntegerLanes

  @inline(__always) init(first: IntegerLanes, second: IntegerLanes) { (self.first, self.second) = (first, second) }
  /// As `ExpandedGroups` stores them.
  @inline(__always) init(bytes p: UnsafeRawPointer) { (first, second) = (IntegerLanes(p), IntegerLanes(p + 64)) }
}

/// How a group's weights are packed; FORMAT.md §5 has the layouts.
protocol SmallGroupWeights {
  static var bytesPerGroup: Int { get }
  /// Inputs 8 · quarter and the seven after it.
  static func quads(_ group: UnsafeRawPointer, _ quarter: Int, _ codebook4: IntegerLanes) -> QuadPair
}

enum FourBits: SmallGroupWeights {
  @inline(__always) static var bytesPerGroup: Int { 256 }
  @inline(__always) static func quads(_ group: UnsafeRawPointer, _ quarter: Int, _ codebook4: IntegerLanes) -> QuadPair {
    let codes = IntegerLanes(group + 64 * quarter)
    return QuadPair(first: codebook4.lookedUp(codes.masked(15)), second: codebook4.lookedUp(codes.shiftedRight(4).masked(15)))
  }
}

enum FiveBits: SmallGroupWeights {
  @inline(__always) static var bytesPerGroup: Int { 320 }
  @inline(__always) static func quads(_ group: UnsafeRawPointer, _ quarter: Int, _: IntegerLanes) -> QuadPair {
    let (codes, high) = (IntegerLanes(group + 64 * quarter), IntegerLanes(group + 256))
    let (first, second) =
      switch quarter {
      case 0: (high.shiftedLeft(4), high.shiftedLeft(3))
      case 1: (high.shiftedLeft(2), high.shiftedLeft(1))
      case 2: (high, high.shiftedRight(1))
      default: (high.shiftedRight(2), high.shiftedRight(3))
      }
    return QuadPair(first: codes.masked(15) | first.masked(16), second: codes.shiftedRight(4).masked(15) | second.masked(16))
  }
}

enum SixBits: SmallGroupWeights {
  @inline(__always) static var bytesPerGroup: Int { 384 }
  @inline(__always) static func quads(_ group: UnsafeRawPointer, _ quarter: Int, _: IntegerLanes) -> QuadPair {
    let (codes, high) = (IntegerLanes(group + 64 * quarter), IntegerLanes(group + 256 + 64 * (quarter / 2)))
    let (first, second) = quarter & 1 == 0 ? (high.shiftedLeft(4), high.shiftedLeft(2)) : (high, high.shiftedRight(2))
    return QuadPair(first: codes.masked(15) | first.masked(48), second: codes.shiftedRight(4).masked(15) | second.masked(48))
  }
}

/// What 16 rows' sums of a group are multiplied by.
struct GroupScales {
  private let factors: Lanes
  /// −1.5 · 2²³ · factors.
  private let shifts: Lanes

  @inline(__always) init(_ factors: Lanes) { (self.factors, shifts) = (factors, factors * (Lanes() - roundingShift)) }
  /// As `store` wrote them.
  @inline(__always) init(_ p: UnsafePointer<Float>) { (factors, shifts) = (Lanes(p), Lanes(p + 16)) }
  @inline(__always) func store(_ p: UnsafeMutablePointer<Float>) {
    factors.store(p)
    shifts.store(p + 16)
  }

  /// Sums with `smallGroupSumBits` added, times the factors, exactly.
  @inline(__always) func scaled(_ sums: IntegerLanes) -> Lanes {
    Lanes.fusesProducts ? shifts.addingProduct(Lanes(bits: sums), factors) : (Lanes(bits: sums) - roundingShift) * factors
  }
}

/// Reads the groups of one block, or of two blocks at once, in order.
protocol GroupReader {
  /// `QuadPair`, or one for each block.
  associatedtype Quads
  /// `GroupScales`, or those of each block.
  associatedtype Scales
  /// `Lanes`, or one for each block.
  associatedtype RowScales
  /// Inputs 8 · quarter and the seven after it, of the current group.
  func quads(_ quarter: Int) -> Quads
  /// The current group's scales.
  var scales: Scales { get }
  /// Called once a group.
  func prefetch()
  mutating func next()
  /// The rows' scales.
  /// - Parameters:
  ///   - block: begins with the scales of its rows.
  ///   - stride: from one block to the next.
  static func rowScales(_ block: UnsafeRawPointer, _ stride: Int) -> RowScales
}

/// Reads groups as packed in the file.
protocol PackedGroupReader: GroupReader {
  /// - Parameter block: the (first) block.
  init(_ block: UnsafeRawPointer, _ a: LinearArguments)
}

/// The groups of one block.
struct PackedReader<W: SmallGroupWeights>: PackedGroupReader {
  private var scaleBytes: UnsafePointer<UInt8>
  private var w: UnsafeRawPointer
  private let codebook4: IntegerLanes
  /// Prefetch distance; 0: none.
  private let ahead: Int

  @inline(__always) init(_ block: UnsafeRawPointer, _ a: LinearArguments) {
    self.init(block, a, ahead: a.prefetches != 0 ? VectorKernels.streamAhead : 0)
  }

  @inline(__always) init(_ block: UnsafeRawPointer, _ a: LinearArguments, ahead: Int) {
    scaleBytes = (block + 64).assumingMemoryBound(to: UInt8.self)
    w = block + a.payloadOffset
    codebook4 = IntegerLanes(repeating16: fovea_biased_codebook4())
    self.ahead = ahead
  }

  @inline(__always) static func rowScales(_ block: UnsafeRawPointer, _: Int) -> Lanes { Lanes(block.assumingMemoryBound(to: Float.self)) }
  @inline(__always) func quads(_ quarter: Int) -> QuadPair { W.quads(w, quarter, codebook4) }
  @inline(__always) var scales: GroupScales { GroupScales(Lanes(smallScales: scaleBytes)) }
  @inline(__always) func prefetch() { if ahead != 0 { VectorKernels.prefetch(w + ahead, W.bytesPerGroup) } }
  @inline(__always) mutating func next() {
    w += W.bytesPerGroup
    scaleBytes += 16
  }
}

/// The groups of two neighbouring blocks.
struct PackedPairReader<W: SmallGroupWeights>: PackedGroupReader {
  private var first, second: PackedReader<W>

  @inline(__always) init(_ block: UnsafeRawPointer, _ a: LinearArguments) {
    let ahead = a.prefetches != 0 ? 2 * a.blockStride : 0
    first = PackedReader(block, a, ahead: ahead)
    second = PackedReader(block + a.blockStride, a, ahead: ahead)
  }

  @inline(__always) static func rowScales(_ block: UnsafeRawPointer, _ stride: Int) -> (Lanes, Lanes) { TwoBlocksReader.rowScales(block, stride) }
  @inline(__always) func quads(_ quarter: Int) -> (QuadPair, QuadPair) { (first.quads(quarter), second.quads(quarter)) }
  @inline(__always) var scales: (GroupScales, GroupScales) { (first.scales, second.scales) }
  @inline(__always) func prefetch() {
    first.prefetch()
    second.prefetch()
  }
  @inline(__always) mutating func next() {
    first.next()
    second.next()
  }
}

/// Scratch memory for up to `most` unpacked groups of `ManyTokenSums.blocks` blocks: weights as bytes, `GroupScales`.
struct ExpandedGroups {
  /// Groups that it holds: 20 KiB with two blocks, which leaves room in the L1 cache for activations.
  @inline(__always) static var most: Int { 16 }
  @inline(__always) static var bytes: Int { most * ManyTokenSums.blocks * (512 + 128) }

  let memory: UnsafeMutableRawPointer

  @inline(__always) init(_ memory: UnsafeMutableRawPointer) { self.memory = memory }

  /// The vectors of a quarter of a group: those of the first block, then those of the second.
  @inline(__always) func quarter(_ i: Int) -> UnsafeMutableRawPointer { memory + i * ManyTokenSums.blocks * 128 }
  @inline(__always) func scales(_ group: Int) -> UnsafeMutablePointer<Float> {
    (memory + ExpandedGroups.most * ManyTokenSums.blocks * 512).assumingMemoryBound(to: Float.self) + group * ManyTokenSums.blocks * 32
  }

  /// Unpacks groups `first ..< end` of the blocks from `block` on.
  @inline(__always)
  func fill<W: SmallGroupWeights>(_: W.Type, _ a: LinearArguments, _ block: Int, _ first: Int, _ end: Int) {
    guard let weights = a.weights else { return }
    let codebook4 = IntegerLanes(repeating16: fovea_biased_codebook4())
    var b = 0
    while b < ManyTokenSums.blocks {
      let base = UnsafeRawPointer(weights + (block + b) * a.blockStride)
      var w = base + a.payloadOffset + first * W.bytesPerGroup
      var g = first
      while g < end {
        VectorKernels.prefetch(w + ExpandedGroups.most * W.bytesPerGroup, W.bytesPerGroup)  // what the next call reads
        GroupScales(Lanes(smallScales: (base + 64 + 16 * g).assumingMemoryBound(to: UInt8.self))).store(scales(g - first) + 32 * b)
        var quarter = 0
        while quarter < 4 {
          let quads = W.quads(w, quarter, codebook4)
          let target = self.quarter(4 * (g - first) + quarter) + 128 * b
          quads.first.store(target)
          quads.second.store(target + 64)
          quarter += 1
        }
        w += W.bytesPerGroup
        g += 1
      }
      b += 1
    }
  }
}

/// Reads one block's expanded groups.
struct OneBlockReader: GroupReader {
  private var w: UnsafeMutableRawPointer
  private var stored: UnsafeMutablePointer<Float>

  @inline(__always) init(_ groups: ExpandedGroups) { (w, stored) = (groups.quarter(0), groups.scales(0)) }

  @inline(__always) static func rowScales(_ block: UnsafeRawPointer, _: Int) -> Lanes { Lanes(block.assumingMemoryBound(to: Float.self)) }
  @inline(__always) func quads(_ quarter: Int) -> QuadPair { QuadPair(bytes: w + 128 * quarter) }
  @inline(__always) var scales: GroupScales { GroupScales(stored) }
  @inline(__always) func prefetch() {}
  @inline(__always) mutating func next() {
    w += 512
    stored += 32
  }
}

/// Reads the expanded groups of two neighbouring blocks.
struct TwoBlocksReader: GroupReader {
  private var w: UnsafeMutableRawPointer
  private var stored: UnsafeMutablePointer<Float>

  @inline(__always) init(_ groups: ExpandedGroups) { (w, stored) = (groups.quarter(0), groups.scales(0)) }

  @inline(__always) static func rowScales(_ block: UnsafeRawPointer, _ stride: Int) -> (Lanes, Lanes) {
    (Lanes(block.assumingMemoryBound(to: Float.self)), Lanes((block + stride).assumingMemoryBound(to: Float.self)))
  }
  @inline(__always) func quads(_ quarter: Int) -> (QuadPair, QuadPair) {
    (QuadPair(bytes: w + 256 * quarter), QuadPair(bytes: w + 256 * quarter + 128))
  }
  @inline(__always) var scales: (GroupScales, GroupScales) { (GroupScales(stored), GroupScales(stored + 32)) }
  @inline(__always) func prefetch() {}
  @inline(__always) mutating func next() {
    w += 1024
    stored += 64
  }
}
#endif
