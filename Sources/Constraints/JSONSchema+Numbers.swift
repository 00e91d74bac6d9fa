// SPDX-License-Identifier: Apache-2.0

/// The numbers that a conjunction allows.
struct NumberRange {
  var low: Decimal?
  var high: Decimal?
  var excludesLow = false
  var excludesHigh = false
  /// What all must be multiples of; nil: nothing.
  var multiple: Multiple?

  /// value · 10^−places.
  struct Multiple: Equatable {
    var value: Int
    var places = 0

    /// - Returns: nil: it has more digits than are supported.
    init?(_ x: Decimal) {
      guard x.digits.count <= 18 else { return nil }
      value = x.digits.reduce(0) { $0 * 10 + Int($1) }
      places = max(x.digits.count - x.exponent, 0)
      guard scale(by: x.exponent - x.digits.count) else { return nil }
    }

    /// Times 10^power, if that is above 1. False: it is too large.
    private mutating func scale(by power: Int) -> Bool {
      guard power < 19 else { return false }
      for _ in 0..<max(power, 0) {
        let (product, overflows) = value.multipliedReportingOverflow(by: 10)
        if overflows { return false }
        value = product
      }
      return true
    }

    /// Makes it the smallest number that is a multiple of both. False: it is too large.
    mutating func join(_ other: Multiple) -> Bool {
      var other = other
      guard scale(by: other.places - places), other.scale(by: places - other.places) else { return false }
      let (product, overflows) = value.multipliedReportingOverflow(by: other.value / JSONSchema.commonDivisor(value, other.value))
      (value, places) = (product, max(places, other.places))
      while places > 0, value % 10 == 0 { (value, places) = (value / 10, places - 1) }
      return !overflows
    }

    /// In decimal digits.
    var text: String {
      let digits = String(value)
      guard places > 0 else { return digits }
      let padded = String(repeating: "0", count: max(places + 1 - digits.utf8.count, 0)) + digits
      return String(padded.dropLast(places)) + "." + String(padded.suffix(places))
    }

    /// Whether x is a multiple of it; nil: too large to say.
    func divides(_ x: Decimal) -> Bool? {
      guard x.digits.count - x.exponent <= places else { return false }
      guard value <= Int.max / 16, x.exponent <= 400 else { return nil }
      let digits = (0..<x.exponent + places).map { $0 < x.digits.count ? Int(x.digits[$0]) : 0 }
      return digits.reduce(0) { ($0 * 10 + $1) % value } == 0
    }

    /// The smallest whole number that is a multiple of it.
    var whole: Int {
      var whole = value
      for factor in [2, 5] {
        var absent = places
        while absent > 0, whole % factor == 0 { (whole, absent) = (whole / factor, absent - 1) }
      }
      return whole
    }
  }

  mutating func raise(_ bound: Decimal, excludes: Bool) {
    if let low, bound < low { return }
    excludesLow = low == bound ? excludesLow || excludes : excludes
    low = bound
  }

  mutating func lower(_ bound: Decimal, excludes: Bool) {
    if let high, high < bound { return }
    excludesHigh = high == bound ? excludesHigh || excludes : excludes
    high = bound
  }

  /// Inclusive bounds with `places` decimal places.
  func inclusive(places: Int) -> (low: Decimal?, high: Decimal?) {
    var (low, high) = (low?.rounded(places: places, up: true), high?.rounded(places: places, up: false))
    if excludesLow, let bound = low, bound == self.low { low = bound.next(places: places) }
    if excludesHigh, let bound = high, bound == self.high { high = bound.negated.next(places: places).negated }
    return (low, high)
  }
}

extension Decimal {
  /// The next number up in steps of 10^−places.
  func next(places: Int) -> Decimal {
    if isZero { return Decimal(isNegative: false, digits: [1], exponent: 1 - places) }
    if isNegative {
      // Towards zero: the next smaller magnitude.
      var whole = Array(parts(places: places))
      var i = whole.count - 1
      while i >= 0, whole[i] == 0 {
        whole[i] = 9
        i -= 1
      }
      if i >= 0 { whole[i] -= 1 }
      return Decimal(isNegative: true, digits: whole, exponent: whole.count - places)
    }
    // An extra digit makes the rounding go up.
    var digits = parts(places: places)
    let power = digits.count - places
    digits.append(1)
    return Decimal(isNegative: false, digits: digits, exponent: power).rounded(places: places, up: true)
  }
}

extension JSONSchema {
  /// Most digits where no bound needs more: a double represents all of them distinctly.
  private static var digits: Int { 15 }
  /// Most digits that bounds may require.
  private static var digitLimit: Int { 40 }
  private static var multipleLimit: Int { 4096 }
  /// Most decimal places of multiples.
  private static var placeLimit: Int { 9 }

  func range(_ conjunction: Conjunction) throws(ConstraintError) -> NumberRange {
    var range = NumberRange()
    for schema in conjunction.schemas {
      if let x = try decimal(schema, "minimum") { range.raise(x, excludes: false) }
      if let x = try decimal(schema, "exclusiveMinimum") { range.raise(x, excludes: true) }
      if let x = try decimal(schema, "maximum") { range.lower(x, excludes: false) }
      if let x = try decimal(schema, "exclusiveMaximum") { range.lower(x, excludes: true) }
      if let x = try decimal(schema, "multipleOf") {
        guard !x.isNegative, !x.isZero else { throw error(schema, "multipleOf", "is not above 0") }
        guard let own = NumberRange.Multiple(x), range.multiple?.join(own) ?? true else {
          throw error(schema, "multipleOf", "has more digits than are supported")
        }
        if range.multiple == nil { range.multiple = own }
      }
    }
    return range
  }

  private func decimal(_ schema: Int32, _ keyword: StaticString) throws(ConstraintError) -> Decimal? {
    guard let value = document.member(schema, keyword) else { return nil }
    guard case .number(let range) = document[value] else { throw error(schema, keyword, "is no number") }
    return Decimal(json: document.bytes(range))
  }

  static func commonDivisor(_ a: Int, _ b: Int) -> Int {
    var (a, b) = (a, b)
    while b != 0 { (a, b) = (b, a % b) }
    return a
  }

  mutating func anyNumber() throws(ConstraintError) -> Int32 {
    try common(.number) { (s) throws(ConstraintError) in try s.e.named(try s.pattern("-?(0|[1-9][0-9]{0,14})(\\.[0-9]{1,12})?([eE][+-]?[0-9]{1,2})?"))
    }
  }

  private mutating func pattern(_ source: StaticString) throws(ConstraintError) -> Int32 {
    try RegularExpression.whole(utf8(source), in: &e)
  }

  mutating func number(_ conjunction: Conjunction, isInteger: Bool) throws(ConstraintError) -> Int32 {
    let range = try self.range(conjunction)
    if range.low == nil, range.high == nil, range.multiple == nil {
      guard isInteger else { return try anyNumber() }
      return try common(.integer) { (s) throws(ConstraintError) in try s.e.named(try s.pattern("-?(0|[1-9][0-9]{0,14})")) }
    }
    let multiple = range.multiple.map { isInteger ? $0.whole : $0.value } ?? 1
    guard multiple <= Self.multipleLimit else {
      let text = isInteger ? "\(multiple)" : range.multiple?.text ?? ""
      throw error(
        conjunction.schemas.first ?? 0, "multipleOf",
        "multiples of \(text) are not supported, only of numbers up to \(Self.multipleLimit) in units of their last digit")
    }
    if !isInteger, let multiple = range.multiple, multiple.places > Self.placeLimit {
      throw error(conjunction.schemas.first ?? 0, "multipleOf", "has more digits than are supported, \(Self.placeLimit) after the point")
    }
    // Digits before the point that the bounds require, and the remaining significant digits.
    let size = max(range.low?.exponent ?? 0, range.high?.exponent ?? 0, 1)
    let places = isInteger ? 0 : range.multiple?.places ?? max(0, min(6, Self.digits - max(size, 9)))
    let (low, high) = range.inclusive(places: places)
    // For a missing or distant bound: the usual digits, or one more than the other bound has.
    func far(_ bound: Decimal?) throws(ConstraintError) -> Decimal {
      let most = max(places == 0 ? Self.digits : Self.digits - places, min((bound?.exponent ?? 0) + 1, Self.digitLimit))
      return Decimal(isNegative: false, digits: Array(repeating: 9, count: most), exponent: most)
    }
    let (lowest, highest) = (try far(high?.isNegative == true ? high : nil).negated, try far(low?.isNegative == false ? low : nil))
    var (from, to) = (low ?? lowest, high ?? highest)
    let (least, most) = (try far(to.isNegative ? to : nil).negated, try far(from.isNegative ? nil : from))
    if from < least { from = least }
    if most < to { to = most }
    guard from.exponent <= Self.digitLimit, to.exponent <= Self.digitLimit else {
      throw error(conjunction.schemas.first ?? 0, nil, "numbers of more than \(Self.digitLimit) digits are not supported")
    }
    guard from <= to else { return try e.never() }
    var branches: [Int32] = []
    if from.isNegative {
      let small = to.isNegative ? to.negated : Decimal(isNegative: false, digits: [1], exponent: 1 - places)
      if small <= from.negated {
        branches.append(try e.sequence([try e.literal("-"), try digits(small, from.negated, places, multiple)]))
      }
    }
    if !to.isNegative { branches.append(try digits(from.isNegative ? .zero : from, to, places, multiple)) }
    return try e.choice(branches)
  }

  /// Numbers `low … high`, not negative, with up to `places` decimal places.
  private mutating func digits(_ low: Decimal, _ high: Decimal, _ places: Int, _ multiple: Int) throws(ConstraintError) -> Int32 {
    let (a, b) = (low.parts(places: places), high.parts(places: places))
    let (la, lb) = (a.count - places, b.count - places)
    var builder = DigitAutomaton(a: a, b: b, places: places, multiple: multiple)
    for length in la...max(la, lb) where length <= lb { builder.begin(length: length) }
    return try text(digits: try builder.build(e.bounds))
  }

  private mutating func text(digits automaton: ScalarAutomaton) throws(ConstraintError) -> Int32 {
    guard let trimmed = automaton.trimmed(e.alphabet) else { return try e.never() }
    var steps: [[(expression: Int32, target: Int)]] = []
    for list in trimmed.steps {
      var found: [(expression: Int32, target: Int)] = []
      for step in list { found.append((try e.scalars(step.set), step.target)) }
      steps.append(found)
    }
    return try e.automaton(.init(steps: steps, isAccepting: trimmed.isAccepting))
  }
}

/// Automaton of the decimal numbers between two bounds that are multiples of `multiple` · 10^−places. A state holds the digits still to come before the
/// point, whether all so far equal a bound's, and the remainder of the digits so far, read as one whole number.
private struct DigitAutomaton {
  private enum Phase: UInt64 { case start, whole, point, fraction }

  private struct State {
    var phase = Phase.start
    /// Digits left before the point, or seen after it.
    var count = 0
    var isLow = false
    var isHigh = false
    var rest = 0

    var packed: [UInt64] { [phase.rawValue, UInt64(count), isLow ? 1 : 0, isHigh ? 1 : 0, UInt64(rest)] }
  }

  let a, b: [UInt8]
  let places, multiple: Int
  private var numbers = SequenceTable<UInt64>()
  private var states: [State] = []
  private var first: [ScalarAutomaton.Step] = []

  init(a: [UInt8], b: [UInt8], places: Int, multiple: Int) {
    (self.a, self.b, self.places, self.multiple) = (a, b, places, multiple)
    _ = number(State())
  }

  private mutating func number(_ state: State) -> Int {
    let number = numbers.number(of: state.packed)
    if number == states.count { states.append(state) }
    return number
  }

  /// Adds numbers with `length` digits before the point.
  mutating func begin(length: Int) {
    let (isLow, isHigh) = (length == a.count - places, length == b.count - places)
    let least = max(isLow ? a[0] : 0, length > 1 ? 1 : 0)
    for digit in least...max(least, isHigh ? b[0] : 9) where digit <= (isHigh ? b[0] : 9) {
      var steps = first
      add(digit, State(phase: .whole, count: length, isLow: isLow, isHigh: isHigh, rest: 0), at: 0, to: &steps)
      first = steps
    }
  }

  /// Adds a digit before the point, at position `place` of the bounds.
  private mutating func add(_ digit: UInt8, _ state: State, at place: Int, to list: inout [ScalarAutomaton.Step]) {
    var next = state
    next.count -= 1
    next.isLow = state.isLow && digit == a[place]
    next.isHigh = state.isHigh && digit == b[place]
    next.rest = (state.rest * 10 + Int(digit)) % multiple
    if next.count == 0 { next.phase = .point }
    list.append(.init(set: ScalarSet(0x30 + UInt32(digit)), target: number(next)))
  }

  /// Whether a number with this remainder and as many places still to come, which are zeros, is a multiple.
  private func isMultiple(_ rest: Int, missing: Int) -> Bool {
    (0..<missing).reduce(rest) { rest, _ in rest * 10 % multiple } == 0
  }

  mutating func build(_ bounds: ConstraintBounds) throws(ConstraintError) -> ScalarAutomaton {
    var made = ScalarAutomaton(steps: [first], isAccepting: [false])
    var next = 1
    while next < states.count {
      try bounds.check(next)
      let state = states[next]
      next += 1
      var list: [ScalarAutomaton.Step] = []
      var accepts = false
      switch state.phase {
      case .start: break
      case .whole:
        let (lowPlace, highPlace) = (a.count - places - state.count, b.count - places - state.count)
        let low = state.isLow ? a[lowPlace] : 0
        let high = state.isHigh ? b[highPlace] : 9
        if low <= high {
          for digit in low...high { add(digit, state, at: state.isLow ? lowPlace : highPlace, to: &list) }
        }
      case .point:
        accepts = isMultiple(state.rest, missing: places) && (!state.isLow || a.suffix(places).allSatisfy { $0 == 0 })
        if places > 0 {
          var after = state
          (after.phase, after.count) = (.fraction, 0)
          list.append(.init(set: ScalarSet(0x2E), target: number(after)))
        }
      case .fraction:
        accepts =
          state.count > 0 && isMultiple(state.rest, missing: places - state.count)
          && (!state.isLow || a.suffix(places - state.count).allSatisfy { $0 == 0 })
        if state.count < places {
          let (x, y) = (a[a.count - places + state.count], b[b.count - places + state.count])
          let (low, high) = (state.isLow ? x : 0, state.isHigh ? y : 9)
          if low <= high {
            for digit in low...high {
              var after = state
              after.count += 1
              after.isLow = state.isLow && digit == x
              after.isHigh = state.isHigh && digit == y
              after.rest = (state.rest * 10 + Int(digit)) % multiple
              list.append(.init(set: ScalarSet(0x30 + UInt32(digit)), target: number(after)))
            }
          }
        }
      }
      // Digits with the same target state are one transition.
      var steps: [ScalarAutomaton.Step] = []
      for step in list {
        if let last = steps.indices.last, steps[last].target == step.target {
          steps[last].set = steps[last].set.union(step.set)
        } else {
          steps.append(step)
        }
      }
      made.steps.append(steps)
      made.isAccepting.append(accepts)
    }
    return made
  }
}
