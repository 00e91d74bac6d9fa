// SPDX-License-Identifier: Apache-2.0

extension ScalarKernels {
  /// y = (x − mean) / √(variance + epsilon) · weight + bias over one row; y may be x.
  package static func layerNorm(
    _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>, _ bias: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>,
    _ count: Int, _ epsilon: Float
  ) {
    var sum = LaneSum()
    for i in 0..<count { sum.add(x[i], at: i) }
    let mean = sum.total / Float(count)
    var squares = LaneSum()
    for i in 0..<count { squares.addProduct(x[i] - mean, x[i] - mean, at: i) }
    let inverse = 1 / (squares.total / Float(count) + epsilon).squareRoot()
    for i in 0..<count { y[i] = bias[i].addingProduct((x[i] - mean) * inverse, weight[i]) }
  }

  /// y = x / √(mean of squares + epsilon) · weight over one row; y may be x.
  package static func rmsNorm(
    _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int, _ epsilon: Float
  ) {
    var squares = LaneSum()
    for i in 0..<count { squares.addProduct(x[i], x[i], at: i) }
    let inverse = 1 / (squares.total / Float(count) + epsilon).squareRoot()
    for i in 0..<count { y[i] = x[i] * inverse * weight[i] }
  }
}
