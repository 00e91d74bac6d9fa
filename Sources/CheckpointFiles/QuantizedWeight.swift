// SPDX-License-Identifier: Apache-2.0

/// A module's quantised weight: its codes, and how rows of them become floats.
struct QuantizedWeight: Sendable {
  /// The weight as it appears: `[outputs, inputs]` in f32.
  let info: TensorInfo
  /// The tensors that it is made of.
  let tensors: [String]
  private let codes: TensorInfo
  /// Bits of a packed code; nil: the codes are numbers.
  private let bits: Int?
  private let scale: TensorInfo, zero: TensorInfo?
  /// Rows and columns that share a scale.
  private let block: QuantizationScheme.Block
  /// Groups of each column, where they are not in order (GPTQ's activation order).
  private let groups: [Int]?

  private var columns: Int { info.rowSize }

  /// - Parameters:
  ///   - codes: `weight` or `weight_packed` of `module`.
  /// - Returns: nil: the weight is not quantised.
  /// - Throws: `.tensors` where its scales do not fit it.
  init?(_ codes: TensorInfo, module: String, in source: any TensorSource, _ scheme: QuantizationScheme) throws {
    func name(_ leaf: String) -> String { module.isEmpty ? leaf : module + "." + leaf }
    let isPacked = codes.name == name("weight_packed")
    guard isPacked || [.i8, .f8e4m3, .f8e5m2].contains(codes.type) else { return nil }
    func misshapen(_ info: TensorInfo, _ what: String) -> ConversionError {
      .tensors(missing: [], unknown: [], misshapen: ["\(info.name): \(info.shape) of \(info.type.rawValue), \(what)"])
    }
    if source.info(name("weight_global_scale")) != nil { throw misshapen(codes, "with weight_global_scale (NVFP4), which is not supported") }
    guard let scale = source.info(name("weight_scale")) ?? source.info(name("weight_scale_inv")) else {
      // A weight that was only stored in FP8.
      guard isPacked || codes.type == .i8 else { return nil }
      throw ConversionError.tensors(missing: [name("weight_scale")], unknown: [], misshapen: [])
    }
    var used = [codes, scale]
    var shape = codes.shape
    if isPacked {
      guard source.info(name("weight")) == nil else { throw ConversionError.duplicateTensor(name("weight")) }
      guard let stored = source.info(name("weight_shape")), stored.type == .i64 || stored.type == .i32, stored.shape == [2] else {
        throw ConversionError.tensors(missing: [name("weight_shape")], unknown: [], misshapen: [])
      }
      used.append(stored)
      // Sizes below 2²⁴ are exact in Float.
      shape = try source.readAll(stored).map { (0...16_777_216).contains($0) ? Int($0) : -1 }
      guard codes.type == .i32, codes.shape.count == 2 else { throw misshapen(codes, "not a matrix of 32-bit integers") }
    }
    guard shape.count == 2, shape.allSatisfy({ $0 > 0 }) else { throw misshapen(codes, "not the codes of a matrix") }
    let (outputs, inputs) = (shape[0], shape[1])
    bits = isPacked ? scheme.bits.sorted().first { codes.shape == [outputs, (inputs * $0 + 31) / 32] } : nil
    guard !isPacked || bits != nil else {
      throw misshapen(codes, "not \(shape) codes of \(scheme.bits.sorted().map { "\($0)" }.joined(separator: " or ")) bits")
    }
    guard scale.type.isFloat, scale.shape.count <= 2, let block = Self.block(of: scale, outputs, inputs, scheme) else {
      throw misshapen(scale, "no scales of \(shape)")
    }
    let grid = Self.grid(scale)
    zero = source.info(name("weight_zero_point"))
    if let zero {
      used.append(zero)
      let packed = zero.type == .i32 ? bits.map { [(outputs * $0 + 31) / 32, grid.columns] } : nil
      guard zero.shape == packed ?? scale.shape else { throw misshapen(zero, "no zero points of \(shape)") }
    }
    if let order = source.info(name("weight_g_idx")) {
      used.append(order)
      guard order.shape == [inputs] else { throw misshapen(order, "no groups of \(inputs) columns") }
      let found = try source.readAll(order).map { (0..<Float(grid.columns)).contains($0) ? Int($0) : -1 }
      // −1 throughout: the columns are in order.
      guard !found.contains(-1) || found.allSatisfy({ $0 == -1 }) else { throw misshapen(order, "groups beyond \(grid.columns)") }
      groups = found.contains(-1) ? nil : found
    } else {
      groups = nil
    }
    (self.codes, self.scale, self.block) = (codes, scale, block)
    info = TensorInfo(name: name("weight"), shape: shape, type: .f32)
    tensors = used.map(\.name)
  }

  /// A tensor of scales as a matrix: a scalar is 1 × 1, a vector has a value for each row.
  private static func grid(_ info: TensorInfo) -> (rows: Int, columns: Int) { (info.rows, info.shape.count < 2 ? 1 : info.shape[1]) }

  private static func block(of scale: TensorInfo, _ outputs: Int, _ inputs: Int, _ scheme: QuantizationScheme) -> QuantizationScheme.Block? {
    let grid = grid(scale)
    func parts(_ size: Int, _ part: Int) -> Int { (size - 1) / part + 1 }
    if grid.columns == 1, grid.rows == 1 || grid.rows == outputs { return .init(rows: grid.rows == 1 ? outputs : 1, columns: inputs) }
    return scheme.blocks.sorted { ($0.rows, $0.columns) < ($1.rows, $1.columns) }.first {
      parts(outputs, $0.rows) == grid.rows && parts(inputs, $0.columns) == grid.columns
    }
  }

  /// - Precondition: the rows are in range, `out` has capacity for them.
  func read(rows: Range<Int>, from source: any TensorSource, into out: UnsafeMutablePointer<Float>) throws {
    guard !rows.isEmpty else { return }
    if let bits { try unpack(rows, bits, from: source, into: out) } else { try source.read(codes.name, rows: rows, into: out) }
    let wanted = rows.lowerBound / block.rows..<(rows.upperBound - 1) / block.rows + 1
    let scales = try source.read(TensorRows(scale, wanted))
    let zeros = try zero.map { try self.zeros($0, wanted, from: source) }
    let perRow = Self.grid(scale).columns
    for (i, row) in rows.enumerated() {
      let (x, first) = (out + i * columns, (row / block.rows - wanted.lowerBound) * perRow)
      if let groups {
        for column in 0..<columns { x[column] = (x[column] - (zeros?[first + groups[column]] ?? 0)) * scales[first + groups[column]] }
        continue
      }
      for group in 0..<perRow {
        let (scale, zero) = (scales[first + group], zeros?[first + group] ?? 0)
        for column in group * block.columns..<min((group + 1) * block.columns, columns) { x[column] = (x[column] - zero) * scale }
      }
    }
  }

  private func unpack(_ rows: Range<Int>, _ bits: Int, from source: any TensorSource, into out: UnsafeMutablePointer<Float>) throws {
    let words = try source.readWords(codes.name, rows: rows)
    for i in 0..<rows.count {
      for column in 0..<columns { out[i * columns + column] = Self.code(column, bits) { words[i * codes.rowSize + $0] } }
    }
  }

  /// Zero points of rows of scales. Packed ones are packed along the rows.
  private func zeros(_ zero: TensorInfo, _ rows: Range<Int>, from source: any TensorSource) throws -> [Float] {
    guard zero.type == .i32, let bits else { return try source.read(TensorRows(zero, rows)) }
    let columns = zero.rowSize
    let first = rows.lowerBound * bits / 32
    let words = try source.readWords(zero.name, rows: first..<min((rows.upperBound * bits + 31) / 32, zero.rows))
    return rows.flatMap { row in (0..<columns).map { column in Self.code(row, bits) { words[($0 - first) * columns + column] } } }
  }

  /// Code `index` of a run of them, without the offset that made it positive.
  private static func code(_ index: Int, _ bits: Int, _ word: (Int) -> UInt32) -> Float {
    let (at, shift) = (index * bits / 32, index * bits % 32)
    var value = word(at) >> UInt32(shift)
    if shift + bits > 32 { value |= word(at + 1) << UInt32(32 - shift) }
    return Float(Int(value & ((1 << UInt32(bits)) - 1)) - (1 << (bits - 1)))
  }
}
