// SPDX-License-Identifier: Apache-2.0
import Kernels
import Shims
import WeightFile

/// A product's input rows, in the arena: int8 in groups with a scale and a zero-point offset each where its weights are quantised, else floats. Any
/// thread may set rows, or parts of them that do not overlap.
package struct LinearInput {
  /// Largest quantisation group where inputs are multiplied by smoothing factors.
  static let largestGroup = 4096

  package let rows: Int
  let layout: PackedLayout
  // Plain pointers, which the context's arena keeps: threads that copy them do not count references.
  /// `[rows, stride]`; nil where the weights are quantised.
  let floats: UnsafeMutablePointer<Float>?
  private let codes: UnsafeMutablePointer<Int8>?  // [rows, stride]
  private let scales: UnsafeMutablePointer<Float>?  // [rows, groups]
  private let offsets: UnsafeMutablePointer<Int32>?  // [rows, groups]
  /// From one row to the next, in codes or floats.
  let stride: Int
  /// Smoothing factors, applied before quantisation; see `Linear.inputFactors`.
  private let factors: UnsafePointer<Float>?

  /// Rows still to be set.
  init(rows: Int, for product: Linear, _ ctx: Context) throws(RuntimeError) {
    let layout = product.weight.layout
    self.rows = rows
    self.layout = layout
    factors = product.inputFactors
    if layout.encoding.isQuantized {
      // An odd number of cache lines: the rows of a tile, which are read side by side, lie in different sets of the L1 cache.
      stride = ((layout.paddedInputs + 63) / 64 | 1) &* 64
      codes = try ctx.arena.array(of: Int8.self, rows, stride)
      scales = try ctx.arena.array(of: Float.self, rows, layout.groups)
      offsets = try ctx.arena.array(of: Int32.self, rows, layout.groups)
      floats = nil
    } else {
      (codes, scales, offsets, stride) = (nil, nil, nil, layout.inputs)
      floats = try ctx.arena.tensor(rows, layout.inputs).data
    }
  }

  /// The rows of x themselves, for float weights.
  init(floats x: Tensor, for layout: PackedLayout) {
    rows = x.rows
    self.layout = layout
    factors = nil
    (codes, scales, offsets, stride) = (nil, nil, nil, x.columns)
    floats = x.data
  }

  /// Sets columns first ..< first + count of a row. Where the input is quantised, `first` is the start of a group, and the part ends with a
  /// group or with the row.
  func set(_ row: Int, first: Int, count: Int, from values: UnsafePointer<Float>, _ kernels: KernelTable) {
    if let floats {
      let target = floats + row &* stride + first
      if UnsafePointer(target) != values { target.update(from: values, count: count) }
      return
    }
    guard let factors else { return quantize(row, first, count, values, kernels) }
    var done = 0
    while done < count {
      let part = min(count &- done, Self.largestGroup / layout.group &* layout.group)
      withStack(floats: part) { scaled in
        for k in 0..<part { scaled[k] = values[done &+ k] * factors[first &+ done &+ k] }
        quantize(row, first &+ done, part, scaled, kernels)
      }
      done &+= part
    }
  }

  private func quantize(_ row: Int, _ first: Int, _ count: Int, _ values: UnsafePointer<Float>, _ kernels: KernelTable) {
    guard let codes, let scales, let offsets else { return }
    let (group, groups) = (layout.group, layout.groups)
    let padded = first &+ count == layout.inputs ? layout.paddedInputs &- first : count
    assert(first % group == 0 && padded % group == 0)
    let zero = Int32(layout.encoding.codes?.zero ?? 0)
    let offset = offsets + row &* groups + first / group
    kernels.quantize(values, count, padded, group, zero, codes + row &* stride + first, scales + row &* groups + first / group, offset)
    guard layout.encoding.codes?.scale == .byteOfRow else { return }
    for i in 0..<padded / group { offset[i] &+= Int32(smallGroupSumBits) }
  }

  /// A row as floats, dequantised and without smoothing factors.
  /// - Parameter y: `layout.inputs` values.
  package func read(_ row: Int, into y: UnsafeMutablePointer<Float>) {
    if let floats { return y.update(from: floats + row &* stride, count: layout.inputs) }
    guard let codes, let scales else { return }
    let (rowCodes, rowScales) = (codes + row &* stride, scales + row &* layout.groups)
    for k in 0..<layout.inputs { y[k] = Float(rowCodes[k]) * rowScales[k / layout.group] / (factors?[k] ?? 1) }
  }

  /// Sets the input fields of a kernel's arguments.
  func enter(_ a: inout LinearArguments) {
    if let floats {
      a.xFloat = UnsafePointer(floats)
    } else {
      a.x = UnsafePointer(codes)
      a.xScales = UnsafePointer(scales)
      a.xOffsets = UnsafePointer(offsets)
    }
    a.xStride = stride
  }
}
