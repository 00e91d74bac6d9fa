// SPDX-License-Identifier: Apache-2.0

/// Name, shape (outermost first) and number format of a checkpoint tensor.
package struct TensorInfo: Equatable, Sendable {
  package let name: String
  package let shape: [Int]
  package let type: NumberType

  /// Extent of the first axis; a scalar is one row.
  package var rows: Int { shape.first ?? 1 }
  package var rowSize: Int { shape.dropFirst().reduce(1, *) }

  package init(name: String, shape: [Int], type: NumberType) {
    self.name = name
    self.shape = shape
    self.type = type
  }

  /// The number of elements, nil on overflow or a negative extent.
  static func count(_ shape: [Int]) -> Int? {
    var count = 1
    for extent in shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: extent)
      guard extent >= 0, !overflow else { return nil }
      count = product
    }
    return count
  }
}

/// Rows of a checkpoint tensor.
package struct TensorRows: Equatable, Sendable {
  package let info: TensorInfo
  package let rows: Range<Int>

  package init(_ info: TensorInfo, _ rows: Range<Int>? = nil) {
    self.info = info
    self.rows = rows ?? 0..<info.rows
  }
}

/// A source of checkpoint tensors. Reading is thread-safe.
package protocol TensorSource: AnyObject, Sendable {
  var tensors: [TensorInfo] { get }
  func info(_ name: String) -> TensorInfo?
  /// Writes rows `[rows.lowerBound, rows.upperBound)` of a tensor, converted to Float, row-major.
  /// - Precondition: the tensor exists, the rows are in range, `out` has capacity for them.
  func read(_ name: String, rows: Range<Int>, into out: UnsafeMutablePointer<Float>) throws
  /// Rows of a tensor of 32-bit integers, bit for bit: Float holds 24 bits of them only.
  func readWords(_ name: String, rows: Range<Int>) throws -> [UInt32]
  /// Hints that the tensor will not be read again soon, so that its pages can be released.
  func release(_ name: String)
}

extension TensorSource {
  package func readWords(_ name: String, rows: Range<Int>) throws -> [UInt32] {
    throw ConversionError.unsupported("tensor \(name): packed weights are read from safetensors only")
  }

  /// A whole tensor, for small ones.
  package func readAll(_ info: TensorInfo) throws -> [Float] { try read(TensorRows(info)) }

  /// Whether two tensors of one shape hold the same numbers.
  package func haveSameNumbers(_ a: TensorInfo, _ b: TensorInfo) throws -> Bool {
    let step = max(1, (1 << 20) / max(a.rowSize, 1))
    for start in stride(from: 0, to: a.rows, by: step) {
      let rows = start..<min(start + step, a.rows)
      guard try read(TensorRows(a, rows)) == read(TensorRows(b, rows)) else { return false }
    }
    return true
  }

  /// Some rows, for small tensors.
  package func read(_ part: TensorRows) throws -> [Float] {
    var values = [Float](repeating: 0, count: part.rows.count * part.info.rowSize)
    try values.withUnsafeMutableBufferPointer { buffer in
      if let base = buffer.baseAddress { try read(part.info.name, rows: part.rows, into: base) }
    }
    return values
  }
}

/// Several sources as one, with tensors renamed; a later source replaces equal names of an earlier one only if `replacing`.
package final class CombinedSource: TensorSource {
  package private(set) nonisolated(unsafe) var tensors: [TensorInfo] = []
  private nonisolated(unsafe) var places: [String: (source: any TensorSource, original: String, index: Int)] = [:]

  package init() {}

  /// Adds the tensors of `source` for which `rename` gives a name.
  /// - Throws: `.duplicateTensor` when the name is taken and `replacing` is false.
  package func add(
    _ source: any TensorSource, replacing: Bool = false, rename: (String) -> String? = { $0 }
  ) throws {
    for info in source.tensors {
      guard let name = rename(info.name) else { continue }
      let renamed = TensorInfo(name: name, shape: info.shape, type: info.type)
      if let place = places[name] {
        guard replacing else { throw ConversionError.duplicateTensor(name) }
        tensors[place.index] = renamed
        places[name] = (source, info.name, place.index)
      } else {
        places[name] = (source, info.name, tensors.count)
        tensors.append(renamed)
      }
    }
  }

  package func info(_ name: String) -> TensorInfo? { places[name].map { tensors[$0.index] } }

  package func read(_ name: String, rows: Range<Int>, into out: UnsafeMutablePointer<Float>) throws {
    guard let place = places[name] else { throw ConversionError.tensors(missing: [name], unknown: [], misshapen: []) }
    try place.source.read(place.original, rows: rows, into: out)
  }

  package func readWords(_ name: String, rows: Range<Int>) throws -> [UInt32] {
    guard let place = places[name] else { throw ConversionError.tensors(missing: [name], unknown: [], misshapen: []) }
    return try place.source.readWords(place.original, rows: rows)
  }

  package func release(_ name: String) {
    guard let place = places[name] else { return }
    place.source.release(place.original)
  }
}
