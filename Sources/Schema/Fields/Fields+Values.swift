// SPDX-License-Identifier: Apache-2.0
import Shims
import WeightFile

/// One function for each type of value. A default is the value of an absent key; it is written all the same, so that a file is explicit. Optional
/// values are written where there are any.
extension Fields {
  @inline(never)
  package mutating func bool(
    _ name: StaticString, _ value: inout Bool, default fallback: Bool? = nil, when condition: Condition = .always,
    _ meaning: StaticString
  ) throws(WeightFileError) {
    let found = try field(name, .bool, presence(fallback.map { .bool($0) }), .any, condition, meaning, current: .bool(value))
    if case .value(.bool(let x)) = found { value = x }
  }

  @inline(never)
  package mutating func int(
    _ name: StaticString, _ value: inout Int, in range: ClosedRange<Int>, default fallback: Int? = nil,
    when condition: Condition = .always, _ meaning: StaticString
  ) throws(WeightFileError) {
    let found = try field(
      name, .int, presence(fallback.map { .int($0) }), .ints(range), condition, meaning, current: .int(value))
    if case .value(.int(let x)) = found { value = x }
  }

  /// nil: absent.
  @inline(never)
  package mutating func int(
    _ name: StaticString, _ value: inout Int?, in range: ClosedRange<Int>, when condition: Condition = .always, _ meaning: StaticString
  ) throws(WeightFileError) {
    switch try field(name, .int, .optional, .ints(range), condition, meaning, current: value.map { .int($0) }) {
    case .value(.int(let x)): value = x
    case .absent: value = nil
    default: break
    }
  }

  /// An integer that divides `whole` evenly.
  @inline(never)
  package mutating func divisor(
    _ name: StaticString, _ value: inout Int, of whole: Int, in range: ClosedRange<Int>, when condition: Condition = .always,
    _ meaning: StaticString
  ) throws(WeightFileError) {
    try int(name, &value, in: range, when: condition, meaning)
    guard condition.holds else { return }
    try check(whole % value == 0, name, found: "\(value)", expected: "a divisor of \(whole)")
  }

  /// Heads of attention over states of `width`: they divide it into head sizes that the kernels take.
  package mutating func heads(
    _ name: StaticString, _ value: inout Int, of width: Int, when condition: Condition = .always, _ meaning: StaticString
  ) throws(WeightFileError) {
    try divisor(name, &value, of: width, in: 1...1024, when: condition, meaning)
    guard condition.holds else { return }
    let heads = value
    try check(width / heads <= largestHeadSize, name, found: "\(heads)", expected: "head size of at most \(largestHeadSize)")
  }

  /// A tower's position table is interpolated to any size, so only this limits the number of patches.
  package func checkInterpolation(of side: Int, _ name: StaticString, to grid: Int) throws(WeightFileError) {
    try check(grid <= 4 * side, "patchSize", found: "\(grid) patches a side", expected: "at most 4 times the \(side) of \(name)")
  }

  @inline(never)
  package mutating func double(
    _ name: StaticString, _ value: inout Double, in range: ClosedRange<Double>, default fallback: Double? = nil,
    when condition: Condition = .always, _ meaning: StaticString
  ) throws(WeightFileError) {
    let found = try field(
      name, .double, presence(fallback.map { .double($0) }), .doubles(range), condition, meaning, current: .double(value))
    if case .value(.double(let x)) = found { value = x }
  }

  /// nil: absent.
  @inline(never)
  package mutating func double(
    _ name: StaticString, _ value: inout Double?, in range: ClosedRange<Double>, when condition: Condition = .always, _ meaning: StaticString
  ) throws(WeightFileError) {
    let found = try field(name, .double, .optional, .doubles(range), condition, meaning, current: value.map { .double($0) })
    switch found {
    case .value(.double(let x)): value = x
    case .absent: value = nil
    default: break
    }
  }

  @inline(never)
  package mutating func string(
    _ name: StaticString, _ value: inout String, default fallback: String? = nil, when condition: Condition = .always,
    _ meaning: StaticString
  ) throws(WeightFileError) {
    let found = try field(
      name, .string, presence(fallback.map { .string($0) }), .any, condition, meaning, current: .string(value))
    if case .value(.string(let x)) = found { value = x }
  }

  @inline(never)
  package mutating func choice<Choice: Spelled>(
    _ name: StaticString, _ value: inout Choice, default fallback: Choice? = nil, when condition: Condition = .always,
    _ meaning: StaticString
  ) throws(WeightFileError) {
    let found = try field(
      name, .string, presence(fallback.map { .string($0.spelling.description) }), .spellings(Choice.allCases.map { $0.spelling }), condition,
      meaning, current: .string(value.spelling.description))
    if case .value(.string(let x)) = found, let choice = Choice(spelling: x) { value = choice }
  }

  /// nil: absent.
  @inline(never)
  package mutating func choice<Choice: Spelled>(
    _ name: StaticString, _ value: inout Choice?, when condition: Condition = .always, _ meaning: StaticString
  ) throws(WeightFileError) {
    let found = try field(
      name, .string, .optional, .spellings(Choice.allCases.map { $0.spelling }), condition, meaning,
      current: value.map { .string($0.spelling.description) })
    switch found {
    case .value(.string(let x)): value = Choice(spelling: x)
    case .absent: value = nil
    default: break
    }
  }

  // MARK: lists

  /// - Parameters:
  ///   - range: of each number.
  ///   - isOptional: absent means empty.
  @inline(never)
  package mutating func ints(
    _ name: StaticString, _ value: inout [Int], in range: ClosedRange<Int>, count: ClosedRange<Int>? = nil, isOptional: Bool = false,
    when condition: Condition = .always, _ meaning: StaticString
  ) throws(WeightFileError) {
    let found = try field(
      name, .ints, isOptional ? .optional : .required, .ints(range), count: count, condition, meaning,
      current: isOptional && value.isEmpty ? nil : .ints(value))
    switch found {
    case .value(.ints(let x)): value = x
    case .absent: value = []
    default: break
    }
  }

  @inline(never)
  package mutating func doubles(
    _ name: StaticString, _ value: inout [Double], in range: ClosedRange<Double>, count: ClosedRange<Int>? = nil,
    when condition: Condition = .always, _ meaning: StaticString
  ) throws(WeightFileError) {
    let found = try field(name, .doubles, .required, .doubles(range), count: count, condition, meaning, current: .doubles(value))
    if case .value(.doubles(let x)) = found { value = x }
  }

  /// Bytes; absent means empty.
  @inline(never)
  package mutating func bytes(
    _ name: StaticString, _ value: inout [UInt8], when condition: Condition = .always, _ meaning: StaticString
  ) throws(WeightFileError) {
    switch try field(name, .bytes, .optional, .any, condition, meaning, current: value.isEmpty ? nil : .bytes(value)) {
    case .value(.bytes(let x)): value = x
    case .absent: value = []
    default: break
    }
  }

  /// Texts as UTF-8; byte strings are read too.
  /// - Parameter isOptional: absent means empty.
  @inline(never)
  package mutating func texts(
    _ name: StaticString, _ value: inout [[UInt8]], isOptional: Bool = false, when condition: Condition = .always,
    _ meaning: StaticString
  ) throws(WeightFileError) {
    var current: MetadataValue?
    if isWriting, !(isOptional && value.isEmpty) { current = .strings(value.map { String(decoding: $0, as: UTF8.self) }) }
    take(try field(name, .strings, isOptional ? .optional : .required, .any, condition, meaning, current: current), &value)
  }

  /// nil: absent.
  @inline(never)
  package mutating func texts(
    _ name: StaticString, _ value: inout [[UInt8]]?, when condition: Condition = .always, _ meaning: StaticString
  ) throws(WeightFileError) {
    var current: MetadataValue?
    if isWriting, let value { current = .strings(value.map { String(decoding: $0, as: UTF8.self) }) }
    switch try field(name, .strings, .optional, .any, condition, meaning, current: current) {
    case .value(.byteStrings(let x)): value = x
    case .absent: value = nil
    default: break
    }
  }

  /// Strings of any bytes; texts are read too.
  @inline(never)
  package mutating func byteStrings(
    _ name: StaticString, _ value: inout [[UInt8]], isOptional: Bool = false, when condition: Condition = .always,
    _ meaning: StaticString
  ) throws(WeightFileError) {
    let current: MetadataValue? = isOptional && value.isEmpty ? nil : .byteStrings(value)
    take(try field(name, .byteStrings, isOptional ? .optional : .required, .any, condition, meaning, current: current), &value)
  }

  /// Absent means empty.
  @inline(never)
  package mutating func choices<Choice: Spelled>(
    _ name: StaticString, _ value: inout [Choice], count: ClosedRange<Int>, when condition: Condition = .always, _ meaning: StaticString
  ) throws(WeightFileError) {
    let spellings = Choice.allCases.map { $0.spelling }
    let current: MetadataValue? = value.isEmpty ? nil : .strings(value.map { $0.spelling.description })
    let found = try field(name, .strings, .optional, .spellings(spellings), count: count, condition, meaning, current: current)
    switch found {
    case .value(.byteStrings(let x)): value = x.compactMap { Choice(spelling: String(decoding: $0, as: UTF8.self)) }
    case .absent: value = []
    default: break
    }
  }

  private func take(_ found: Found, _ value: inout [[UInt8]]) {
    switch found {
    case .value(.byteStrings(let x)): value = x
    case .absent: value = []
    default: break
    }
  }

  private func presence(_ fallback: MetadataValue?) -> Key.Presence { fallback.map { .fallback($0) } ?? .required }
}
