// SPDX-License-Identifier: Apache-2.0

/// Adds up numbers of 0 … 1 by their size, exactly and without looking at their order: bins by the leading bits of an f32, which ascend with it.
///
/// A bin keeps its count above bit 41 and below the sum of the bits that the bin's numbers do not share: the sum of its numbers is
/// count · least + Σ bits · ulp. Enough for 2²³ numbers.
struct MassHistogram {
  /// Bits of the least number counted, and one past the largest; both at the border of a bin.
  private let low, high: UInt32
  private let shift: UInt32
  private var bins: [UInt64]
  /// The first that was counted.
  private var firstBin = 0
  /// Four histograms: neighbours are often of one bin, and need not wait for each other.
  private var quarters: [UInt64]

  private static var countBit: UInt64 { 41 }
  private static var coarseShift: UInt32 { 18 }
  /// Bins of `coarse` for all bit patterns of numbers below 2; others fall among them.
  private static var coarseBins: Int { 1 << 12 }
  /// Not a multiple of 4 KiB, so that a bin's four counters have addresses that the processor tells apart.
  private static var coarseRoom: Int { coarseBins + 72 }

  /// - Parameters:
  ///   - low: of an exponent's first bin where the range spans several.
  ///   - shift: bits that numbers of a bin do not share, below 18.
  init(low: UInt32, high: UInt32, shift: UInt32) {
    self.init(low: low, high: high, shift: shift, room: 0)
  }

  private init(low: UInt32, high: UInt32, shift: UInt32, room: Int) {
    self.low = low
    self.high = high
    self.shift = shift
    bins = Array(repeating: 0, count: Int((high - low) >> shift))
    quarters = Array(repeating: 0, count: 4 * room)
  }

  /// Takes no numbers, and no memory.
  static var empty: MassHistogram { MassHistogram(low: 0, high: 0, shift: 0) }

  /// 2⁻⁴⁸ … 1, 32 bins an octave: all smaller numbers of a vocabulary together are below 10⁻⁸.
  static var coarse: MassHistogram {
    let high = Float(1).bitPattern + 1 << coarseShift
    return MassHistogram(low: Float(0x1p-48).bitPattern, high: high, shift: coarseShift, room: coarseRoom)
  }

  /// Counts all numbers anew.
  mutating func fill(_ x: UnsafeMutableBufferPointer<Float>) {
    shift == Self.coarseShift ? fillCoarse(x, from: nil) : fillFine(x)
  }

  /// Counts anew, of `coarse`, what is no less than 2⁻¹⁴: few of numbers that add up to 1. What the other bins hold means nothing.
  mutating func fillLargest(_ x: UnsafeMutableBufferPointer<Float>) { fillCoarse(x, from: 0x1p-14) }

  /// A bin for every pattern of leading bits, so that nothing has to be compared; only those of the range are cleared and read.
  private mutating func fillCoarse(_ x: UnsafeMutableBufferPointer<Float>, from least: Float?) {
    let first = Int(low >> Self.coarseShift)
    firstBin = least.map { Int($0.bitPattern >> Self.coarseShift) - first } ?? 0
    let room = Self.coarseRoom
    quarters.withUnsafeMutableBufferPointer { quarters in
      guard let base = x.baseAddress, let q = quarters.baseAddress, quarters.count == 4 &* room else { return }
      for quarter in 0..<4 { (q + (quarter &* room &+ first)).update(repeating: 0, count: bins.count) }
      @inline(__always) func count(_ i: Int, _ q: UnsafeMutablePointer<UInt64>) {
        let bits = base[i].bitPattern
        q[Int(bits &>> Self.coarseShift) & (Self.coarseBins &- 1)] &+= 1 << Self.countBit &+ UInt64(bits & (1 << Self.coarseShift &- 1))
      }
      var i = 0
      while i &+ Block.small <= x.count {
        let end = i &+ Block.small
        if let least, !Block.contains(base + i, size: Block.small, where: { $0 .>= least }) {
          i = end
          continue
        }
        while i < end {
          count(i, q)
          count(i &+ 1, q + room)
          count(i &+ 2, q + 2 &* room)
          count(i &+ 3, q + 3 &* room)
          i &+= 4
        }
      }
      while i < x.count {
        count(i, q)
        i &+= 1
      }
      for bin in bins.indices {
        let i = first + bin
        bins[bin] = q[i] &+ q[i &+ room] &+ q[i &+ 2 &* room] &+ q[i &+ 3 &* room]
      }
    }
  }

  private mutating func fillFine(_ x: UnsafeMutableBufferPointer<Float>) {
    let (low, shift, limit, count) = (low, shift, high - low, bins.count)
    let mask = (UInt32(1) << shift) - 1
    // One bin more, for what is out of range.
    let room = count + 1
    quarters = Array(repeating: 0, count: 4 * room)
    let part = Part(bits: low..<high, before: 0, count: 0)
    quarters.withUnsafeMutableBufferPointer { quarters in
      guard let q = quarters.baseAddress else { return }
      part.forEachBlock(of: x) { base, range in
        var i = range.lowerBound
        while i < range.upperBound {
          let offset = min(base[i].bitPattern &- low, limit)
          q[Int(offset &>> shift) &+ (i & 3) &* room] &+= 1 << Self.countBit &+ UInt64(offset & mask)
          i &+= 1
        }
      }
      for bin in 0..<count { bins[bin] = q[bin] &+ q[bin &+ room] &+ q[bin &+ 2 &* room] &+ q[bin &+ 3 &* room] }
    }
  }

  private func mass(_ bin: Int) -> Double {
    guard bins[bin] != 0 else { return 0 }
    let least = Float(bitPattern: low + UInt32(bin) << shift)
    return Double(bins[bin] >> Self.countBit) * Double(least) + Double(bins[bin] & (1 << Self.countBit &- 1)) * Double(least.ulp)
  }

  /// The numbers of one bin.
  struct Part {
    /// Of its numbers.
    let bits: Range<UInt32>
    /// Sum of all larger numbers.
    let before: Double
    let count: Int

    /// Calls `body` with the indices, ascending, of all blocks that hold a number of the part.
    @inline(__always)
    func forEachBlock(of x: UnsafeMutableBufferPointer<Float>, _ body: (UnsafePointer<Float>, Range<Int>) -> Void) {
      guard let base = x.baseAddress else { return }
      let (low, high) = (Float(bitPattern: bits.lowerBound), Float(bitPattern: bits.upperBound))
      var start = 0
      while start < x.count {
        let end = min(start &+ Block.small, x.count)
        if end < start &+ Block.small || Block.contains(base + start, size: Block.small, where: { ($0 .>= low) .& ($0 .< high) }) {
          body(base, start..<end)
        }
        start = end
      }
    }

    /// The indices of its numbers, ascending.
    func indices(in x: UnsafeMutableBufferPointer<Float>) -> [Int32] {
      var found: [Int32] = []
      found.reserveCapacity(count)
      forEachBlock(of: x) { base, range in
        for i in range where bits.contains(base[i].bitPattern) { found.append(Int32(truncatingIfNeeded: i)) }
      }
      return found
    }

    /// The index of its `n`-th number.
    func index(_ n: Int, in x: UnsafeMutableBufferPointer<Float>) -> Int32? {
      var (left, found) = (n, Int32?.none)
      forEachBlock(of: x) { base, range in
        for i in range where bits.contains(base[i].bitPattern) {
          if left == 0 { found = Int32(truncatingIfNeeded: i) }
          left &-= 1
        }
      }
      return found
    }
  }

  /// The bin with which the sum from the largest number down reaches a share. Where rounding keeps the sum of all below it, the last one with a
  /// number; nil without numbers, and where only a smaller number than those counted reaches it.
  func part(_ share: Share) -> Part? {
    var sum = 0.0
    var last: (bin: Int, before: Double)?
    for bin in (firstBin..<bins.count).reversed() where bins[bin] != 0 {
      last = (bin, sum)
      sum += mass(bin)
      if share.isReached(by: sum) { break }
    }
    guard let last, firstBin == 0 || share.isReached(by: sum) else { return nil }
    let start = low + UInt32(last.bin) << shift
    return Part(bits: start..<start + 1 << shift, before: last.before, count: Int(bins[last.bin] >> Self.countBit))
  }
}
