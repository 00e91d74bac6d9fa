// SPDX-License-Identifier: Apache-2.0

/// The plans of tiles and, last, the whole image, with consecutive tokens from `first` on.
func tilePlans(_ areas: [PixelRectangle], columns: Int, tokens: [Int], first: Int) -> [ViewPlan] {
  var next = first
  var plans: [ViewPlan] = []
  for (i, (area, count)) in zip(areas, tokens).enumerated() {
    let isWhole = i == areas.count - 1
    plans.append(
      ViewPlan(row: isWhole ? -1 : i / columns, column: isWhole ? -1 : i % columns, area: area, firstToken: next, tokens: count))
    next += count
  }
  return plans
}
