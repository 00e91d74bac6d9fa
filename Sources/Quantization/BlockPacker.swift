// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// Packs 16 rows of floats into one block of a packed matrix (see `PackedLayout`).
package struct BlockPacker {
  package let layout: PackedLayout
  /// Weight of each input's squared error, above 0; `[paddedInputs]`, empty for float encodings.
  private let importance: [Float]
  private let feedback: ErrorFeedback?
  /// Whether errors are also reported weighted by importance and after error feedback.
  private let isMeasured: Bool
  /// Nil for floats.
  private let search: ScaleSearch?

  /// - Parameter importance: of the inputs; nil: uniform.
  package init(layout: PackedLayout, importance: InputImportance? = nil) {
    self.layout = layout
    isMeasured = importance != nil
    guard let codes = layout.encoding.codes else {
      self.importance = []
      (feedback, search) = (nil, nil)
      return
    }
    search = ScaleSearch(CodeGrid(codes, layout.encoding))
    feedback = importance?.feedback.flatMap { $0.inputs == layout.inputs ? $0 : nil }
    let given = importance?.weights ?? []
    self.importance = given.prefix(layout.inputs) + Array(repeating: 1, count: layout.paddedInputs - min(given.count, layout.inputs))
  }

  /// Why a row cannot be stored.
  package enum Fault { case notFinite, beyondHalf }

  /// - Parameters:
  ///   - rows: `[16][inputs]`, rows past the end of the matrix zero.
  ///   - block: `layout.blockStride` bytes, all of which are written.
  /// - Returns: the first row that cannot be stored, and why; nil: none.
  package func pack(_ rows: UnsafePointer<Float>, into block: UnsafeMutableRawPointer, error: inout PackingError) -> (row: Int, fault: Fault)? {
    for r in 0..<16 {
      if let fault = fault(rows + r * layout.inputs) { return (r, fault) }
    }
    if let search {
      packQuantized(rows, block, search, &error)
    } else if layout.encoding == .f16x16 {
      packHalves(rows, block, &error)
    } else {
      packFloats(rows, block)
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
    _ rows: UnsafePointer<Float>, _ block: UnsafeMutableRawPointer, _ search: ScaleSearch, _ error: inout PackingError
  ) {
    let (group, groups, padded) = (layout.group, layout.groups, layout.paddedInputs)
    clear(block, from: 0)
    withUnsafeTemporaryAllocation(of: Int8.self, capacity: 16 * padded) { codes in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: 16 * groups + padded) { memory in
        importance.withUnsafeBufferPointer { importance in
          guard let codes = codes.baseAddress, let scales = memory.baseAddress, let importance = importance.baseAddress else { return }
          let row = scales + 16 * groups
          for r in 0..<16 {
            row.update(from: rows + r * layout.inputs, count: layout.inputs)
            (row + layout.inputs).update(repeating: 0, count: padded - layout.inputs)
            chooseScales(row, importance, search, r, block, scales)
            for g in 0..<groups {
              let scale = scales[g * 16 + r]
              let inverse = scale == 0 ? 0 : 1 / scale
              for k in stride(from: g * group, to: (g + 1) * group, by: 8) {
                let code = search.grid.nearest(UnsafeRawPointer(row + k).loadUnaligned(as: SIMD8<Float>.self) * inverse)
                for lane in 0..<8 { codes[r * padded + k + lane] = Int8(code[lane]) }
              }
            }
          }
          let outputs = feedback.map { $0.quantize(rows, scales: scales, group: group, grid: search.grid, into: codes, stride: padded) }
          for r in 0..<16 {
            for g in 0..<groups {
              let first = g * group
              let q = codes + r * padded + first
              let x = rows + r * layout.inputs + first
              let step = scales[g * 16 + r]
              error.add(count: min(group, layout.inputs - first)) { (x[$0], step * Float(q[$0]), isMeasured ? importance[first + $0] : 1) }
            }
          }
          if isMeasured, let outputs { error.outputs += outputs }
          store(codes, search.grid, block + layout.payloadOffset)
        }
      }
    }
  }

  /// Chooses and writes the quantisation scales of one row.
  /// - Parameters:
  ///   - x: `[paddedInputs]`.
  ///   - scales: `[groups][16]`; entries of row r receive the scales as stored.
  private func chooseScales(
    _ x: UnsafePointer<Float>, _ importance: UnsafePointer<Float>, _ search: ScaleSearch, _ r: Int, _ block: UnsafeMutableRawPointer,
    _ scales: UnsafeMutablePointer<Float>
  ) {
    let (group, groups) = (layout.group, layout.groups)
    var largest: Float = 0
    for g in 0..<groups {
      let first = x + g * group
      let scale =
        search.grid.codes.bits == 8
        ? largestMagnitude(first, group) / 127 : search.scale(first, importance: importance + g * group, count: group)
      scales[g * 16 + r] = scale
      largest = max(largest, abs(scale))
    }
    switch search.grid.codes.scale {
    case .half:
      for g in 0..<groups {
        let bits = Half.bits(min(max(scales[g * 16 + r], -65504), 65504))
        let half = Half.float(bits)
        scales[g * 16 + r] = half
        block.storeBytes(of: half == 0 ? 0 : bits, toByteOffset: (g * 16 + r) * 2, as: UInt16.self)
      }
    case .byteOfRow:
      // A row whose scale would be subnormal is stored as zeros.
      let rowScale = largest / SmallScale.largest
      guard rowScale >= Float.leastNormalMagnitude else {
        for g in 0..<groups { scales[g * 16 + r] = 0 }
        return
      }
      block.storeBytes(of: rowScale, toByteOffset: 4 * r, as: Float.self)
      for g in 0..<groups {
        let (low, high) = SmallScale.neighbours(scales[g * 16 + r] / rowScale)
        let error = { search.error(x + g * group, importance: importance + g * group, count: group, scale: rowScale * SmallScale.value($0)) }
        let byte = low == high || error(low) <= error(high) ? low : high
        scales[g * 16 + r] = rowScale * SmallScale.value(byte)
        block.storeBytes(of: byte, toByteOffset: 64 + g * 16 + r, as: UInt8.self)
      }
    }
  }

  private func largestMagnitude(_ x: UnsafePointer<Float>, _ count: Int) -> Float {
    var largest: Float = 0
    for i in 0..<count { largest = max(largest, abs(x[i])) }
    return largest
  }

  /// - Parameter codes: `[16][paddedInputs]`.
  private func store(_ codes: UnsafePointer<Int8>, _ grid: CodeGrid, _ payload: UnsafeMutableRawPointer) {
    let out = payload.assumingMemoryBound(to: UInt8.self)
    let (padded, bits) = (layout.paddedInputs, grid.codes.bits)
    for r in 0..<16 {
      for k in 0..<padded {
        let code = grid.stored(codes[r &* padded &+ k])
        let byte = 4 &* r &+ k & 3
        guard bits < 8 else {
          out[(k >> 2) &* 64 &+ byte] = code
          continue
        }
        // Groups of 32 inputs, or 32 of a larger group: four times 64 bytes, and those of the bits above the fourth.
        let part = (k >> 5) &* 64 &* bits
        let (quarter, half) = ((k >> 3) & 3, (k >> 2) & 1)
        out[part &+ quarter &* 64 &+ byte] |= (code & 15) << UInt8(4 &* half)
        switch bits {
        case 5: out[part &+ 256 &+ byte] |= (code >> 4) << UInt8(2 &* quarter &+ half)
        case 6: out[part &+ 256 &+ (quarter >> 1) &* 64 &+ byte] |= (code >> 4) << UInt8(4 &* (quarter & 1) &+ 2 &* half)
        default: break
        }
      }
    }
  }

  private func clear(_ block: UnsafeMutableRawPointer, from start: Int) {
    (block + start).initializeMemory(as: UInt8.self, repeating: 0, count: max(layout.blockStride - start, 0))
  }
}
