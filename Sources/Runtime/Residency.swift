// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// Which weights stay in memory, and how much the others may take.
package struct Residency: Sendable {
  package enum Mode: Int32, Sendable {
    /// All weights, all the time.
    case resident = 0
    /// Those of the vision side while images are encoded, those of the decoder while it works.
    case onDemand = 1
    /// Only some stay; the others are streamed, one after another.
    case streamed = 2
  }

  package let mode: Mode
  /// For each tensor of the file that does not stay, which half of the system reads it; nil: it stays. Empty: all stay.
  package let paged: [WeightPart?]
  /// Bytes of each such tensor that are loaded and dropped together.
  private let units: [Int]
  /// Most bytes of the tensors that do not stay, in memory together.
  package let budget: Int

  /// All in memory.
  package init() { (mode, paged, units, budget) = (.resident, [], [], 0) }

  /// - Parameter tensors: those that do not stay.
  package init(_ mode: Mode, _ tensors: [PageableTensor], of file: WeightFile, budget: Int) {
    var paged: [WeightPart?] = Array(repeating: nil, count: file.records.count)
    var units = Array(repeating: 0, count: paged.count)
    for tensor in tensors { (paged[tensor.record], units[tensor.record]) = (tensor.part, tensor.unit) }
    (self.mode, self.paged, self.units, self.budget) = (mode, paged, units, budget)
  }

  /// - Parameter data: where each tensor is.
  func pager(_ plan: LoadPlan, _ data: [UnsafeRawPointer]) -> WeightPager {
    var units: [WeightPager.Unit] = []
    var tables: [UnsafeRawBufferPointer] = []
    for (i, record) in plan.file.records.enumerated() {
      guard i < paged.count, let part = paged[i] else { continue }
      let isMapped = plan.tensors[i].raw != nil
      let unit = isMapped ? max(self.units[i], 1) : record.byteCount
      for start in stride(from: 0, to: record.byteCount, by: unit) {
        units.append(
          WeightPager.Unit(
            base: data[i] + start, byteCount: min(unit, record.byteCount - start), record: i, part: part, isMapped: isMapped, next: 0))
      }
    }
    for i in rows where i < data.count {
      tables.append(UnsafeRawBufferPointer(start: data[i], count: plan.file.records[i].byteCount))
    }
    return WeightPager(plan.file, units: units, tables: tables, budget: budget, readsAhead: mode == .streamed)
  }

  /// Mapped tables that rows are looked up in, in `streamed` mode.
  package var rows: [Int] = []
}

/// A tensor that need not stay in memory.
package struct PageableTensor: Sendable {
  /// Smaller tensors stay.
  static let least = 4 << 10

  /// Its place in the file's records.
  package let record: Int
  package let byteCount: Int
  /// Bytes that are loaded and dropped together: those of one matrix, or of a part of an LM head.
  package internal(set) var unit: Int
  package let part: WeightPart
  /// Used from the file's mapping.
  package let isMapped: Bool
  package let isProduct, isRows: Bool
}
