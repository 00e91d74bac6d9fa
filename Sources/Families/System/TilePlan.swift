// SPDX-License-Identifier: Apache-2.0

/// The plan of tiles, the whole image last, that follow each other from token `first` on.
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
