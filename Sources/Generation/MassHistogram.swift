// SPDX-License-Identifier: Apache-2.0

/// Adds up numbers of 0 … 1 by their size, exactly and without looking at their order: bins by the leading bits of an f32, which ascend with it.
///
/// A bin keeps its count above bit 40 and below the sum of the bits that the bin's numbers do not share: the sum of its numbers is
/// count · least + Σ bits · ulp. Enough for 2²³ numbers.
struct MassHistogram {
  /// Bits of the least number counted, and one past the largest; both at the border of a bin.
  private let low, high: UInt32
  private let shift: UInt32
  private var bins: [UInt64]
  private var halves: [UInt64]

  /// - Parameters:
  ///   - low: of an exponent's first bin where the range spans several.
  ///   - shift: bits that numbers of a bin do not share, at most 23.
  init(low: UInt32, high: UInt32, shift: UInt32) {
    self.low = low
    self.high = high
    self.shift = shift
    bins = Array(repeating: 0, count: Int((high - low) >> shift) + 1)
    halves = Array(repeating: 0, count: 2 * bins.count)
  }

  /// 2⁻⁴⁸ … 1, 64 bins an octave: all smaller numbers of a vocabulary together are below 10⁻⁸.
  static var coarse: MassHistogram {
    MassHistogram(low: Float(0x1p-48).bitPattern, high: Float(1).bitPattern + (1 << 17), shift: 17)
  }

  /// Counts all numbers anew.
  mutating func fill(_ x: UnsafeMutableBufferPointer<Float>) {
    let (low, shift, limit) = (low, shift, high - low)
    let mask = (UInt32(1) << shift) - 1
    halves.withUnsafeMutableBufferPointer { halves in
      halves.update(repeating: 0)
      for i in 0..<x.count {
        let offset = x[i].bitPattern &- low
        // Neighbours are often of one bin: two halves, so that one need not wait for the other.
        if offset < limit { halves[Int(offset &>> shift) &* 2 &+ (i & 1)] &+= 1 << 40 | UInt64(offset & mask) }
      }
    }
    for bin in bins.indices { bins[bin] = halves[2 * bin] + halves[2 * bin + 1] }
  }

  private func mass(_ bin: Int) -> Double {
    guard bins[bin] != 0 else { return 0 }
    let least = Float(bitPattern: low + UInt32(bin) << shift)
    return Double(bins[bin] >> 40) * Double(least) + Double(bins[bin] & (1 << 40 - 1)) * Double(least.ulp)
  }

  /// Σ of all numbers, from the largest bin down.
  var total: Double { bins.indices.reversed().reduce(0) { $0 + mass($1) } }

  /// The numbers of one bin.
  struct Part {
    /// Of its numbers.
    let bits: Range<UInt32>
    /// Sum of all larger numbers.
    let before: Double
    let count: Int
  }

  /// The bin with which the sum from the largest number down reaches a share; the last one with a number where rounding keeps the sum below;
  /// nil without numbers.
  func part(_ share: Share) -> Part? {
    var sum = 0.0
    var last: (bin: Int, before: Double)?
    for bin in bins.indices.reversed() where bins[bin] != 0 {
      last = (bin, sum)
      sum += mass(bin)
      if share.isReached(by: sum) { break }
    }
    guard let last else { return nil }
    let start = low + UInt32(last.bin) << shift
    return Part(bits: start..<start + 1 << shift, before: last.before, count: Int(bins[last.bin] >> 40))
  }
}
