// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// Turns 16 rows of floats into one block of a packed matrix (see `PackedLayout`).
package struct BlockPacker {
  package let layout: PackedLayout

  package init(layout: PackedLayout) { self.layout = layout }

  /// Σ (x − x̂)² and Σ x² of what was packed.
  package struct Error {
    package var squared = 0.0, power = 0.0
    package init() {}
  }

  /// The first thing about a row that the layout cannot hold.
  package enum Fault { case notFinite, beyondHalf }

  /// - Parameters:
  ///   - rows: `[16][inputs]`, rows past the end of the matrix zero.
  ///   - block: `layout.blockStride` bytes, all of which are written.
  /// - Returns: the row in the block and what is wrong with it, or nil.
  package func pack(_ rows: UnsafePointer<Float>, into block: UnsafeMutableRawPointer, error: inout Error) -> (
    row: Int, fault: Fault
  )? {
    for r in 0..<16 {
      if let fault = fault(rows + r * layout.inputs) { return (r, fault) }
    }
    switch layout.encoding {
    case .q8x16, .q4x16: packQuantized(rows, block, &error)
    case .f16x16: packHalves(rows, block, &error)
    default: packFloats(rows, block, &error)
    }
    return nil
  }

  private func fault(_ row: UnsafePointer<Float>) -> Fault? {
    var largest: UInt32 = 0
    for i in 0..<layout.inputs { largest = max(largest, row[i].bitPattern & 0x7FFF_FFFF) }
    if largest >= 0x7F80_0000 { return .notFinite }
    return layout.encoding == .f16x16 && Float(bitPattern: largest) >= 65520 ? .beyondHalf : nil
  }

  private func packFloats(_ rows: UnsafePointer<Float>, _ block: UnsafeMutableRawPointer, _ error: inout Error) {
    let out = block.assumingMemoryBound(to: Float.self)
    for r in 0..<16 {
      let row = rows + r * layout.inputs
      for k in 0..<layout.inputs { out[k &* 16 &+ r] = row[k] }
    }
    clear(block, from: layout.inputs * 64)
  }

  private func packHalves(_ rows: UnsafePointer<Float>, _ block: UnsafeMutableRawPointer, _ error: inout Error) {
    let out = block.assumingMemoryBound(to: UInt16.self)
    for r in 0..<16 {
      let row = rows + r * layout.inputs
      var squared: Float = 0
      var power: Float = 0
      for k in 0..<layout.inputs {
        let half = HalfFloat.narrow(row[k])
        out[k &* 16 &+ r] = half
        let rest = row[k] - HalfFloat.widen(half)
        squared += rest * rest
        power += row[k] * row[k]
      }
      error.squared += Double(squared)
      error.power += Double(power)
    }
    clear(block, from: layout.inputs * 32)
  }

  private func packQuantized(_ rows: UnsafePointer<Float>, _ block: UnsafeMutableRawPointer, _ error: inout Error) {
    let group = layout.group
    let scales = block.assumingMemoryBound(to: UInt16.self)
    let payload = (block + layout.payloadOffset).assumingMemoryBound(to: UInt8.self)
    clear(block, from: layout.groups * 32, to: layout.payloadOffset)
    clear(block, from: layout.payloadOffset + layout.paddedInputs * (layout.encoding == .q8x16 ? 16 : 8))
    withUnsafeTemporaryAllocation(of: Float.self, capacity: group) { x in
      withUnsafeTemporaryAllocation(of: Int8.self, capacity: group) { q in
        guard let x = x.baseAddress, let q = q.baseAddress else { return }
        for r in 0..<16 {
          for g in 0..<layout.groups {
            let first = g * group
            let count = min(group, layout.inputs - first)
            x.update(from: rows + r * layout.inputs + first, count: count)
            (x + count).update(repeating: 0, count: group - count)
            let isEight = layout.encoding == .q8x16
            let result =
              isEight ? Int8Quantizer.quantize(x, count: group, into: q) : Int4Quantizer.quantize(x, count: group, into: q)
            scales[g * 16 + r] = result.scale
            error.squared += Double(result.error)
            var power: Float = 0
            for i in 0..<count { power += x[i] * x[i] }
            error.power += Double(power)
            isEight ? store8(q, group, payload + first * 16 + 4 * r) : store4(q, group, payload + first * 8 + 4 * r)
          }
        }
      }
    }
  }

  /// Row's 4 bytes of each 64: inputs k…k+3, offset by 128.
  @inline(__always)
  private func store8(_ q: UnsafePointer<Int8>, _ count: Int, _ out: UnsafeMutablePointer<UInt8>) {
    for k in 0..<count { out[(k >> 2) &* 64 &+ k & 3] = UInt8(truncatingIfNeeded: Int(q[k]) &+ 128) }
  }

  /// Row's 4 bytes of each 64 hold 8 inputs: byte j has input k+j low and k+4+j high, offset by 8.
  @inline(__always)
  private func store4(_ q: UnsafePointer<Int8>, _ count: Int, _ out: UnsafeMutablePointer<UInt8>) {
    for k in stride(from: 0, to: count, by: 8) {
      for j in 0..<4 {
        let low = UInt8(truncatingIfNeeded: Int(q[k + j]) &+ 8)
        let high = UInt8(truncatingIfNeeded: Int(q[k + 4 + j]) &+ 8)
        out[(k >> 3) &* 64 &+ j] = low | high << 4
      }
    }
  }

  private func clear(_ block: UnsafeMutableRawPointer, from start: Int, to end: Int? = nil) {
    let end = end ?? layout.blockStride
    if end > start { (block + start).initializeMemory(as: UInt8.self, repeating: 0, count: end - start) }
  }
}
