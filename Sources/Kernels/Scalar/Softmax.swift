// SPDX-License-Identifier: Apache-2.0

extension ScalarKernels {
  /// x ← softmax(x), in place.
  package static func softmax(_ x: UnsafeMutablePointer<Float>, _ count: Int) {
    var largest = -Float.infinity
    for i in 0..<count { largest = x[i] > largest ? x[i] : largest }
    var sum = LaneSum()
    for i in 0..<count {
      x[i] = exponential(x[i] - largest)
      sum.add(x[i], at: i)
    }
    let inverse = 1 / sum.total
    for i in 0..<count { x[i] *= inverse }
  }
}
