// SPDX-License-Identifier: Apache-2.0

/// A decimal number of any size: ± 0.d₁d₂d₃… · 10^exponent, without leading or trailing zeros; zero has no digits.
struct Decimal: Equatable {
  var isNegative = false
  /// 0 … 9 each.
  var digits: [UInt8] = []
  /// Digits before the decimal point.
  var exponent = 0

  static var zero: Decimal { Decimal() }

  private init() {}

  init(_ value: Int) { self.init(json: Array("\(value)".utf8)[...]) }

  init(isNegative: Bool, digits: [UInt8], exponent: Int) {
    (self.isNegative, self.digits, self.exponent) = (isNegative, digits, exponent)
    trim()
  }

  /// A number in JSON syntax. Exponents are clamped to ±10⁹.
  init(json: ArraySlice<UInt8>) {
    var (sawPoint, isExponent, exponentIsNegative, power) = (false, false, false, 0)
    for c in json {
      switch c {
      case 0x2D: if isExponent { exponentIsNegative = true } else { isNegative = true }
      case 0x2E: sawPoint = true
      case UInt8(ascii: "e"), UInt8(ascii: "E"): isExponent = true
      case 0x30...0x39:
        if isExponent {
          power = min(power * 10 + Int(c - 0x30), 1_000_000_000)
        } else {
          digits.append(c - 0x30)
          if !sawPoint { exponent += 1 }
        }
      default: break
      }
    }
    exponent += exponentIsNegative ? -power : power
    trim()
  }

  private mutating func trim() {
    let leading = digits.prefix { $0 == 0 }.count
    digits.removeFirst(leading)
    exponent -= leading
    while digits.last == 0 { digits.removeLast() }
    if digits.isEmpty { (isNegative, exponent) = (false, 0) }
  }

  var isZero: Bool { digits.isEmpty }
  var isInteger: Bool { exponent >= digits.count }
  var negated: Decimal { Decimal(isNegative: !isNegative, digits: digits, exponent: exponent) }

  /// As an `Int` where it is one.
  var integer: Int? {
    guard isInteger, exponent <= 18 else { return nil }
    var value = 0
    for i in 0..<exponent { value = value * 10 + (i < digits.count ? Int(digits[i]) : 0) }
    return isNegative ? -value : value
  }

  static func < (a: Decimal, b: Decimal) -> Bool {
    if a.isNegative != b.isNegative { return a.isNegative }
    if a.isNegative { return lessInSize(b, a) }
    return lessInSize(a, b)
  }

  static func <= (a: Decimal, b: Decimal) -> Bool { !(b < a) }

  private static func lessInSize(_ a: Decimal, _ b: Decimal) -> Bool {
    if a.isZero || b.isZero { return a.isZero && !b.isZero }
    if a.exponent != b.exponent { return a.exponent < b.exponent }
    return a.digits.lexicographicallyPrecedes(b.digits)
  }

  /// Rounded up or down to `places` decimal places.
  func rounded(places: Int, up: Bool) -> Decimal {
    guard digits.count - exponent > places else { return self }
    let kept = max(0, exponent + places)
    var found = Decimal(isNegative: isNegative, digits: kept == 0 || kept > digits.count ? [] : Array(digits[..<kept]), exponent: exponent)
    if up != isNegative {
      // Away from zero: add one in the last place.
      var whole = Array(repeating: UInt8(0), count: max(0, -exponent)) + digits.prefix(kept)
      var power = max(exponent, 0)
      if exponent + places <= 0 {
        whole = [1]
        power = 1 - places
      } else {
        var i = whole.count - 1
        while i >= 0, whole[i] == 9 {
          whole[i] = 0
          i -= 1
        }
        if i >= 0 {
          whole[i] += 1
        } else {
          whole.insert(1, at: 0)
          power += 1
        }
      }
      found = Decimal(isNegative: isNegative, digits: whole, exponent: power)
    }
    return found
  }

  /// The digits before the point, at least one, and `places` after it.
  func parts(places: Int) -> [UInt8] {
    let whole = max(exponent, 1)
    return (0..<whole + places).map { i in
      let j = i - (whole - exponent)
      return j >= 0 && j < digits.count ? digits[j] : 0
    }
  }
}
