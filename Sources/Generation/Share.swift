// SPDX-License-Identifier: Apache-2.0

/// A part of a sum that is looked for.
enum Share {
  /// The first sum that is no less.
  case atLeast(Double)
  /// The first sum that is more.
  case above(Double)

  var goal: Double {
    switch self {
    case .atLeast(let goal), .above(let goal): goal
    }
  }

  func isReached(by sum: Double) -> Bool {
    switch self {
    case .atLeast(let goal): sum >= goal
    case .above(let goal): sum > goal
    }
  }

  /// What is left of it after a sum.
  func less(_ sum: Double) -> Share {
    switch self {
    case .atLeast(let goal): .atLeast(goal - sum)
    case .above(let goal): .above(goal - sum)
    }
  }
}
