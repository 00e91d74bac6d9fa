// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// Turns 16 rows of floats into one block of a packed matrix (see `PackedLayout`).
package struct BlockPacker {
  package let layout: PackedLayout
  /// What an error of each input's weights counts, above 0; `[paddedInputs]`, empty for float encodings.
  private let importance: [Float]
  private let feedback: ErrorFeedback?
  /// Whether errors are told by importance and feedback too.
  private let isMeasured: Bool

  /// - Parameter importance: of the inputs; all the same when nil.
  package init(layout: PackedLayout, importance: InputImportance? = nil) {
    self.layout = layout
    isMeasured = importance?.isMeasured == true
    guard layout.encoding.isQuantized else {
      self.importance = []
      feedback = nil
      return
    }
    feedback = importance?.feedback.flatMap { $0.inputs == layout.inputs ? $0 : nil }
    let given = importance?.weights ?? []
    self.importance = given.prefix(layout.inputs) + Array(repeating: 1, count: layout.paddedInputs - min(given.count, layout.inputs))
  }

  /// The first thing about a row that the layout cannot hold.
  package enum Fault { case notFinite, beyondHalf }

  /// - Parameters:
  ///   - rows: `[16][inputs]`, rows past the end of the matrix zero.
  ///   - targets: what quantized rows are rounded at instead, finite.
  ///   - block: `layout.blockStride` bytes, all of which are written.
  /// - Returns: the row in the block and what is wrong with it, or nil.
  package func pack(
    _ rows: UnsafePointer<Float>, targets: [Float]? = nil, into block: UnsafeMutableRawPointer, error: inout PackingError
  ) -> (row: Int, fault: Fault)? {
    for r in 0..<16 {
      if let fault = fault(rows + r * layout.inputs) { return (r, fault) }
    }
    switch layout.encoding {
    case .q8x16, .q4x16: packQuantized(rows, targets, block, &error)
    case .f16x16: packHalves(rows, block, &error)
    default: packFloats(rows, block)
    }
    return nil
  }

  private func fault(_ row: UnsafePointer<Float>) -> Fault? {
    var largest: UInt32 = 0
    for i in 0..<layout.inputs { largest = max(largest, row[i].bitPattern & 0x7FFF_FFFF) }
    if largest >= 0x7F80_0000 { return .notFinite }
    return layout.encoding == .f16x16 && Float(bitPattern: largest) >= 65520 ? .beyondHalf : nil
  }

  private func packFloats(_ rows: UnsafePointer<Float>, _ block: UnsafeMutableRawPointer) {
    let out = block.assumingMemoryBound(to: Float.self)
    for r in 0..<16 {
      let row = rows + r * layout.inputs
      for k in 0..<layout.inputs { out[k &* 16 &+ r] = row[k] }
    }
    clear(block, from: layout.inputs * 64)
  }

  private func packHalves(_ rows: UnsafePointer<Float>, _ block: UnsafeMutableRawPointer, _ error: inout PackingError) {
    let out = block.assumingMemoryBound(to: UInt16.self)
    for r in 0..<16 {
      let row = rows + r * layout.inputs
      error.add(count: layout.inputs) { k in
        let half = Half.bits(row[k])
        out[k &* 16 &+ r] = half
        return (row[k], Half.float(half), 1)
      }
    }
    clear(block, from: layout.inputs * 32)
  }

  private func packQuantized(
    _ rows: UnsafePointer<Float>, _ targets: [Float]?, _ block: UnsafeMutableRawPointer, _ error: inout PackingError
  ) {
    let group = layout.group
    let scales = block.assumingMemoryBound(to: UInt16.self)
    let payload = (block + layout.payloadOffset).assumingMemoryBound(to: UInt8.self)
    clear(block, from: layout.groups * 32, to: layout.payloadOffset)
    clear(block, from: layout.payloadOffset + layout.paddedInputs * (layout.encoding == .q8x16 ? 16 : 8))
    withUnsafeTemporaryAllocation(of: Int8.self, capacity: 16 * layout.paddedInputs) { codes in
      importance.withUnsafeBufferPointer { importance in
        guard let codes = codes.baseAddress, let importance = importance.baseAddress else { return }
        if let targets {
          chooseScales(targets, importance, scales, codes)
        } else {
          chooseScales(rows, importance, scales, codes)
        }
        let outputs = feedback.map {
          $0.quantize(
            rows, scales: scales, group: group, range: layout.encoding == .q8x16 ? -127...127 : -8...7, into: codes,
            stride: layout.paddedInputs)
        }
        for r in 0..<16 {
          for g in 0..<layout.groups {
            let first = g * group
            let q = codes + r * layout.paddedInputs + first
            let x = rows + r * layout.inputs + first
            let step = Half.float(scales[g * 16 + r])
            error.add(count: min(group, layout.inputs - first)) { (x[$0], step * Float(q[$0]), isMeasured ? importance[first + $0] : 1) }
            if layout.encoding == .q8x16 {
              store8(q, group, payload + first * 16 + 4 * r)
            } else {
              store4(q, group, payload + first * 8 + 4 * r)
            }
          }
        }
        if isMeasured, let outputs { error.outputs += outputs }
      }
    }
  }

  /// The scale of each row's groups, and the nearest codes.
  /// - Parameter codes: `[16][paddedInputs]`.
  private func chooseScales(
    _ rows: UnsafePointer<Float>, _ importance: UnsafePointer<Float>, _ scales: UnsafeMutablePointer<UInt16>,
    _ codes: UnsafeMutablePointer<Int8>
  ) {
    let group = layout.group
    withUnsafeTemporaryAllocation(of: Float.self, capacity: group) { x in
      guard let x = x.baseAddress else { return }
      for r in 0..<16 {
        for g in 0..<layout.groups {
          let first = g * group
          let count = min(group, layout.inputs - first)
          x.update(from: rows + r * layout.inputs + first, count: count)
          (x + count).update(repeating: 0, count: group - count)
          let q = codes + r * layout.paddedInputs + first
          scales[g * 16 + r] =
            layout.encoding == .q8x16
            ? Int8Quantizer.quantize(x, count: group, into: q)
            : Int4Quantizer.quantize(x, importance: importance + first, count: group, into: q)
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
