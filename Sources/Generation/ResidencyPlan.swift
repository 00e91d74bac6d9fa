// SPDX-License-Identifier: Apache-2.0
import Runtime
import WeightFile

/// Memory of the weights in a residency mode.
struct ResidencyPlan {
  let residency: Residency
  /// Peak bytes of weights in allocated memory, and of those used from the file's mapping.
  let decoded, mapped: Int
  var bytes: Int { decoded + mapped }

  /// What the operating system may map beyond the edges of a weight.
  private static let edge = 2 << 20

  /// All weights resident.
  private init(all store: WeightStore) {
    residency = Residency()
    (decoded, mapped) = (store.residentBytes, store.mappedBytes)
  }

  /// - Parameters:
  ///   - tensors: the streamed weights.
  ///   - rows: mapped tables of which only single rows are read.
  ///   - pageBudget: bytes for streamed weights.
  private init(_ mode: Residency.Mode, _ store: WeightStore, _ tensors: [PageableTensor], rows: [PageableTensor] = [], pageBudget: Int, threads: Int)
  {
    func sum(_ list: [PageableTensor]) -> Int { list.reduce(0) { $0 + $1.byteCount } }
    var residency = Residency(mode, tensors, of: store.file, budget: pageBudget)
    residency.rows = rows.map { $0.record }
    self.residency = residency
    let (mappedOnes, own) = (tensors.filter { $0.isMapped }, tensors.filter { !$0.isMapped })
    let onlyRows = rows.filter { row in !mappedOnes.contains { $0.record == row.record } }
    let edges = mappedOnes.isEmpty ? 0 : 2 * min(Self.edge, mappedOnes.reduce(0) { max($0, $1.unit) })
    // A decoding thread holds the frame's stored bytes, and its planes.
    let packed = own.map { store.file.records[$0.record] }.filter { $0.isCompressed }
    let decoding = packed.isEmpty ? 0 : threads * (2 * packed.reduce(0) { max($0, store.file.largestFrame($1)) } + 256 << 10)
    let (pagedMapped, pagedOwn) = own.isEmpty ? (min(pageBudget, sum(mappedOnes)), 0) : (0, pageBudget)
    mapped = store.mappedBytes - sum(mappedOnes) - sum(onlyRows) + pagedMapped + edges + min(WeightPager.rowRoom, sum(rows))
    decoded = store.residentBytes - sum(own) + pagedOwn + decoding
  }

  /// The first mode that fits `budget` beside `others` bytes, else the smallest one; and the smallest total of any mode, `others` included.
  /// - Parameter mode: the mode to take whether it fits or not; nil: chosen by the budget.
  static func choose(
    _ store: WeightStore, budget: Int?, mode: Residency.Mode? = nil, others: Int, threads: Int
  ) -> (plan: ResidencyPlan, least: Int) {
    func fits(_ plan: ResidencyPlan) -> Bool {
      let (total, overflows) = plan.bytes.addingReportingOverflow(others)
      return budget.map { !overflows && total <= $0 } ?? true
    }
    func total(_ plan: ResidencyPlan) -> Int {
      let (total, overflows) = plan.bytes.addingReportingOverflow(others)
      return overflows ? .max : total
    }
    let all = ResidencyPlan(all: store)
    let tensors = store.pageable
    let products = tensors.filter { $0.isProduct }
    guard !products.isEmpty else { return (all, total(all)) }
    let halves = [WeightPart.vision, .decoder].map { part in products.reduce(0) { $1.part == part ? $0 + $1.byteCount : $0 } }
    let rows = tensors.filter { $0.isRows && $0.isMapped }
    let onDemand = ResidencyPlan(
      .onDemand, store, products, rows: rows.filter { $0.isProduct }, pageBudget: max(halves[0], halves[1]), threads: threads)
    func streamed(_ paged: [PageableTensor]) -> ResidencyPlan {
      let passes = Set(paged.map { $0.record })
      return ResidencyPlan(
        .streamed, store, paged, rows: rows.filter { !$0.isProduct || passes.contains($0.record) },
        pageBudget: paged.reduce(0) { max($0, $1.unit) }, threads: threads)
    }
    let least = streamed(products)
    let smallest = min(total(all), total(onDemand), total(least))
    switch mode {
    case .resident: return (all, smallest)
    case .onDemand: return (onDemand, smallest)
    case .streamed: return (least, smallest)
    case nil: break
    }
    if fits(all) { return (all, smallest) }
    if onDemand.bytes < all.bytes, fits(onDemand) { return (onDemand, smallest) }
    guard fits(least) else {
      return (total(all) == smallest ? all : total(onDemand) == smallest ? onDemand : least, smallest)
    }
    return (keeping(products, budget: (budget ?? .max) - others, streamed), smallest)
  }

  /// Streams the weights, but keeps as many resident as fit: first the largest, since the streaming buffer is as large as the largest
  /// streamed weight, then the decoder's others, which every token reads.
  private static func keeping(
    _ products: [PageableTensor], budget: Int, _ streamed: ([PageableTensor]) -> ResidencyPlan
  ) -> ResidencyPlan {
    var paged = products
    func keep(_ tensors: [PageableTensor]) -> Bool {
      let records = Set(tensors.map { $0.record })
      let rest = paged.filter { !records.contains($0.record) }
      guard !rest.isEmpty, streamed(rest).bytes <= budget else { return false }
      paged = rest
      return true
    }
    let largest = products.reduce(0) { max($0, $1.unit) }
    let decoders = products.filter { $0.part == .decoder }
    let heads = decoders.filter { $0.unit == largest }
    if heads.count < 3 { _ = keep(heads) }
    for part in [decoders, products.filter { $0.part == .vision }] {
      // Try half of what is left, then a quarter, …: few steps, close to the most that fits.
      var left = part.filter { one in paged.contains { $0.record == one.record } }
      var step = left.count
      while step > 0, !left.isEmpty {
        let piece = Array(left.prefix(step))
        if keep(piece) { left.removeFirst(piece.count) } else { step /= 2 }
      }
    }
    return streamed(paged)
  }
}
