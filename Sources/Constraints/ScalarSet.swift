// SPDX-License-Identifier: Apache-2.0

/// A set of Unicode scalars, which never includes surrogates.
struct ScalarSet: Equatable {
  struct Span: Equatable {
    var low, high: UInt32
  }

  /// Ascending, not adjacent.
  private(set) var spans: [Span] = []

  static var largest: UInt32 { 0x10FFFF }
  static var all: ScalarSet { ScalarSet(0...largest) }

  init(_ spans: [Span]) {
    for span in spans.sorted(by: { $0.low < $1.low }) where span.low <= span.high {
      // Surrogates are cut out.
      add(span.low, min(span.high, 0xD7FF))
      add(max(span.low, 0xE000), min(span.high, Self.largest))
    }
  }

  init(_ range: ClosedRange<UInt32>) { self.init([Span(low: range.lowerBound, high: range.upperBound)]) }
  init(_ scalar: UInt32) { self.init([Span(low: scalar, high: scalar)]) }
  /// Spans as pairs of bounds.
  init(_ pairs: [(UInt32, UInt32)]) { self.init(pairs.map { Span(low: $0.0, high: $0.1) }) }

  private mutating func add(_ low: UInt32, _ high: UInt32) {
    guard low <= high else { return }
    if let last = spans.indices.last, low <= spans[last].high &+ 1 {
      spans[last].high = max(spans[last].high, high)
    } else {
      spans.append(Span(low: low, high: high))
    }
  }

  var isEmpty: Bool { spans.isEmpty }

  /// Its only member.
  var single: UInt32? { spans.count == 1 && spans[0].low == spans[0].high ? spans[0].low : nil }

  func contains(_ scalar: UInt32) -> Bool {
    var (a, b) = (0, spans.count)
    while a < b {
      let middle = (a + b) / 2
      if spans[middle].high < scalar { a = middle + 1 } else { b = middle }
    }
    return a < spans.count && spans[a].low <= scalar
  }

  /// Whether it holds all of `range` but surrogates.
  func containsAll(_ range: ClosedRange<UInt32>) -> Bool { ScalarSet(range).subtracting(self).isEmpty }

  func union(_ other: ScalarSet) -> ScalarSet { ScalarSet(spans + other.spans) }

  func intersection(_ other: ScalarSet) -> ScalarSet {
    var found: [Span] = []
    var (i, j) = (0, 0)
    while i < spans.count, j < other.spans.count {
      let (a, b) = (spans[i], other.spans[j])
      let (low, high) = (max(a.low, b.low), min(a.high, b.high))
      if low <= high { found.append(Span(low: low, high: high)) }
      if a.high < b.high { i += 1 } else { j += 1 }
    }
    return ScalarSet(found)
  }

  var complement: ScalarSet {
    var found: [Span] = []
    var next: UInt32 = 0
    for span in spans {
      if span.low > next { found.append(Span(low: next, high: span.low - 1)) }
      next = span.high &+ 1
    }
    if next <= Self.largest { found.append(Span(low: next, high: Self.largest)) }
    return ScalarSet(found)
  }

  func subtracting(_ other: ScalarSet) -> ScalarSet { intersection(other.complement) }
}

extension ScalarSet {
  /// As numbers for a `SequenceTable`.
  var packed: [UInt64] { spans.map { UInt64($0.low) << 32 | UInt64($0.high) } }

  init(packed: some Sequence<UInt64>) {
    self.init(packed.map { Span(low: UInt32(truncatingIfNeeded: $0 >> 32), high: UInt32(truncatingIfNeeded: $0)) })
  }
}
