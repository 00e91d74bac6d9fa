// SPDX-License-Identifier: Apache-2.0

/// A nondeterministic automaton over scalars, without ε-transitions; the start state is 0.
struct ScalarAutomaton {
  struct Step {
    var set: ScalarSet
    var target: Int
  }

  var steps: [[Step]]
  var isAccepting: [Bool]

  /// Most states, and most transitions, of one automaton.
  static var limit: Int { 1 << 15 }

  init(steps: [[Step]], isAccepting: [Bool]) {
    self.steps = steps
    self.isAccepting = isAccepting
  }

  /// Texts of `least` to `most` scalars.
  static func length(_ least: Int, _ most: Int?) throws(ConstraintError) -> ScalarAutomaton {
    let last = most ?? least
    guard last < limit else { throw .tooLarge("a length of \(last) together with a pattern") }
    var made = ScalarAutomaton(steps: Array(repeating: [], count: last + 1), isAccepting: (0...last).map { $0 >= least })
    for i in 0..<last { made.steps[i] = [Step(set: .all, target: i + 1)] }
    if most == nil { made.steps[last].append(Step(set: .all, target: last)) }
    return made
  }

  /// All texts except some.
  static func except(_ texts: [[UInt32]]) throws(ConstraintError) -> ScalarAutomaton {
    // State 1: no longer a prefix of any of them.
    var made = ScalarAutomaton(steps: [[], [Step(set: .all, target: 1)]], isAccepting: [true, true])
    for text in texts {
      var state = 0
      for scalar in text {
        if let step = made.steps[state].first(where: { $0.set.single == scalar }) {
          state = step.target
        } else {
          guard made.steps.count < limit else { throw .tooLarge("too many names") }
          made.steps[state].append(Step(set: ScalarSet(scalar), target: made.steps.count))
          state = made.steps.count
          made.steps.append([])
          made.isAccepting.append(true)
        }
      }
      made.isAccepting[state] = false
    }
    for state in made.steps.indices where state != 1 {
      let named = ScalarSet(made.steps[state].flatMap { $0.set.spans })
      made.steps[state].append(Step(set: named.complement, target: 1))
    }
    return made
  }

  /// Intersection: texts that both accept.
  func intersection(_ other: ScalarAutomaton, _ bounds: ConstraintBounds) throws(ConstraintError) -> ScalarAutomaton {
    var pairs = SequenceTable<UInt64>()
    _ = pairs.number(of: [0, 0])
    var made = ScalarAutomaton(steps: [], isAccepting: [])
    var work = 0
    while made.steps.count < pairs.count {
      let pair = pairs[made.steps.count]
      let (a, b) = (Int(pair[pair.startIndex]), Int(pair[pair.startIndex + 1]))
      var found: [Step] = []
      for x in steps[a] {
        for y in other.steps[b] {
          work += 1
          try bounds.check(work)
          let set = x.set.intersection(y.set)
          guard !set.isEmpty else { continue }
          found.append(Step(set: set, target: pairs.number(of: [UInt64(x.target), UInt64(y.target)])))
        }
      }
      guard pairs.count <= Self.limit, work <= 64 * Self.limit else { throw .tooLarge("patterns and lengths that are too large together") }
      made.steps.append(found)
      made.isAccepting.append(isAccepting[a] && other.isAccepting[b])
    }
    return made
  }

  /// Removes states from which no text is accepted; nil where it accepts none.
  /// - Parameter alphabet: scalars that can be written.
  func trimmed(_ alphabet: ScalarSet?) -> ScalarAutomaton? {
    var made = self
    if let alphabet {
      for i in steps.indices {
        made.steps[i] = steps[i].map { Step(set: $0.set.intersection(alphabet), target: $0.target) }.filter { !$0.set.isEmpty }
      }
    }
    var sources: [[Int]] = Array(repeating: [], count: made.steps.count)
    for (i, list) in made.steps.enumerated() { for step in list { sources[step.target].append(i) } }
    var isUseful = made.isAccepting
    var todo = made.isAccepting.indices.filter { made.isAccepting[$0] }
    while let state = todo.popLast() {
      for source in sources[state] where !isUseful[source] {
        isUseful[source] = true
        todo.append(source)
      }
    }
    guard isUseful.first == true else { return nil }
    for i in made.steps.indices { made.steps[i] = isUseful[i] ? made.steps[i].filter { isUseful[$0.target] } : [] }
    return made
  }

  func accepts(_ text: [UInt32]) -> Bool {
    var isHere = Array(repeating: false, count: steps.count)
    var here = [0]
    for scalar in text {
      var next: [Int] = []
      for state in here {
        for step in steps[state] where step.set.contains(scalar) && !isHere[step.target] {
          isHere[step.target] = true
          next.append(step.target)
        }
      }
      for state in next { isHere[state] = false }
      here = next
      if here.isEmpty { return false }
    }
    return here.contains { isAccepting[$0] }
  }
}

extension Expressions {
  /// The automaton of an expression without rules (Glushkov's construction: a state for each occurrence of a set, and the start).
  func scalarAutomaton(_ expression: Int32) throws(ConstraintError) -> ScalarAutomaton {
    var builder = PositionBuilder(expressions: self)
    let whole = try builder.part(expression)
    var made = ScalarAutomaton(
      steps: Array(repeating: [], count: builder.sets.count + 1), isAccepting: Array(repeating: false, count: builder.sets.count + 1))
    made.isAccepting[0] = whole.isNullable
    for p in whole.last { made.isAccepting[p + 1] = true }
    made.steps[0] = whole.first.map { .init(set: builder.sets[$0], target: $0 + 1) }
    for (p, list) in builder.follow.enumerated() { made.steps[p + 1] = unique(list).map { .init(set: builder.sets[$0], target: $0 + 1) } }
    return made
  }
}

private struct PositionBuilder {
  struct Part {
    var first: [Int] = []
    var last: [Int] = []
    var isNullable = true
  }

  let expressions: Expressions
  var sets: [ScalarSet] = []
  var follow: [[Int]] = []
  private var work = 0

  init(expressions: Expressions) { self.expressions = expressions }

  mutating func part(_ node: Int32) throws(ConstraintError) -> Part {
    switch expressions[node] {
    case .never: return Part(isNullable: false)
    case .empty, .start, .end: return Part()
    case .scalars(let number):
      guard sets.count < ScalarAutomaton.limit else { throw .tooLarge("a pattern that is too large together with others") }
      sets.append(expressions.set(number))
      follow.append([])
      return Part(first: [sets.count - 1], last: [sets.count - 1], isNullable: false)
    case .sequence(let start, let count):
      var whole = Part()
      for child in expressions.parts(start, count) { whole = try joined(whole, try part(child)) }
      return whole
    case .choice(let start, let count):
      var whole = Part(isNullable: false)
      for child in expressions.parts(start, count) {
        let one = try part(child)
        whole = Part(first: whole.first + one.first, last: whole.last + one.last, isNullable: whole.isNullable || one.isNullable)
      }
      return whole
    case .repeated(let body, let least, let most):
      var whole = Part()
      for _ in 0..<least { whole = try joined(whole, try part(body)) }
      guard most >= 0 else {
        var star = try part(body)
        try link(star.last, star.first)
        star.isNullable = true
        return try joined(whole, star)
      }
      for _ in least..<most {
        var one = try part(body)
        one.isNullable = true
        whole = try joined(whole, one)
      }
      return whole
    case .literal, .rule, .automaton: throw .tooLarge("a part that is no pattern")
    }
  }

  private mutating func joined(_ a: Part, _ b: Part) throws(ConstraintError) -> Part {
    try link(a.last, b.first)
    return Part(
      first: a.isNullable ? a.first + b.first : a.first, last: b.isNullable ? a.last + b.last : b.last, isNullable: a.isNullable && b.isNullable)
  }

  private mutating func link(_ from: [Int], _ to: [Int]) throws(ConstraintError) {
    work += from.count * to.count + 1
    guard work <= 32 * ScalarAutomaton.limit else { throw .tooLarge("a pattern that is too large together with others") }
    try expressions.bounds.check(work)
    for p in from { follow[p] += to }
  }
}

/// Sorted, without duplicates.
private func unique(_ numbers: [Int]) -> [Int] {
  var found: [Int] = []
  for number in numbers.sorted() where found.last != number { found.append(number) }
  return found
}
