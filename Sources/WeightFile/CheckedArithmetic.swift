// SPDX-License-Identifier: Apache-2.0

/// Sums and products of numbers read from a file: nil where an Int does not hold the result.

func checkedSum(_ a: Int, _ b: Int) -> Int? {
  let (sum, overflow) = a.addingReportingOverflow(b)
  return overflow ? nil : sum
}

func checkedProduct(_ a: Int, _ b: Int) -> Int? {
  let (product, overflow) = a.multipliedReportingOverflow(by: b)
  return overflow ? nil : product
}

/// The least multiple of `unit` (a power of two) that is not below `n`; `n` is not negative.
func checkedRoundUp(_ n: Int, to unit: Int) -> Int? {
  guard let sum = checkedSum(n, unit - 1) else { return nil }
  return sum & ~(unit - 1)
}
