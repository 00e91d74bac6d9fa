// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// Calibration statistics of the inputs of a run's matrix products. For each input of each matrix Σ x² over all rows, which says how much an error of
/// that input's weights matters (AWQ, arXiv:2306.00978 §3.1); on request also Σ xᵀx within blocks of inputs, which says how errors of different
/// inputs' weights can compensate each other (GPTQ, arXiv:2210.17323 §3.1).
///
/// A matrix is identified by the address of its weights. Not synchronised: one computation at a time.
package final class InputStatistics {
  package struct Sums {
    package let inputs: Int
    package fileprivate(set) var rows = 0
    package fileprivate(set) var squares: [Double]
    /// Inputs of a block; 0 where products are not kept.
    package let block: Int
    /// `[inputs, block]`: row i holds Σ x_i·x_j for the inputs j of i's block, of which those with j ≥ i are summed and the others 0.
    package fileprivate(set) var products: [Float]

    init(inputs: Int, block: Int) {
      self.inputs = inputs
      self.block = block
      squares = [Double](repeating: 0, count: inputs)
      products = [Float](repeating: 0, count: inputs * block)
    }
  }

  private let block: Int
  private var sums: [UnsafeRawPointer: Sums] = [:]

  /// - Parameter block: consecutive inputs whose pairwise products are kept; 0: none are.
  package init(block: Int = 0) { self.block = block }

  /// The sums of the matrix at this address; nil where nothing was multiplied with it.
  package subscript(_ weights: UnsafeRawPointer) -> Sums? { sums[weights] }

  /// Adds the inputs that are about to be multiplied with a matrix.
  func add(_ x: LinearInput, to matrix: PackedMatrix, _ ctx: Context) {
    let inputs = matrix.layout.inputs
    guard x.layout.inputs == inputs else { return assertionFailure("an input of another width") }
    let block = min(block, inputs)
    var values = [Float](repeating: 0, count: x.rows * inputs)
    values.withUnsafeMutableBufferPointer { values in
      guard let values = values.baseAddress else { return }
      for row in 0..<x.rows { x.read(row, into: values + row * inputs) }
      accumulate(values, rows: x.rows, into: &sums[matrix.data, default: Sums(inputs: inputs, block: block)], ctx)
    }
  }

  /// - Parameter x: `[rows, inputs]`.
  private func accumulate(_ x: UnsafePointer<Float>, rows: Int, into sums: inout Sums, _ ctx: Context) {
    let inputs = sums.inputs
    sums.rows += rows
    sums.squares.withUnsafeMutableBufferPointer { squares in
      for row in 0..<rows {
        for k in 0..<inputs { squares[k] += Double(x[row * inputs + k]) * Double(x[row * inputs + k]) }
      }
    }
    let block = sums.block
    guard block > 0 else { return }
    sums.products.withUnsafeMutableBufferPointer { products in
      guard let products = products.baseAddress else { return }
      ctx.split(rows: inputs, cost: rows &* block / 2) { lines in
        for i in lines {
          let start = i / block &* block
          let line = products + i &* block
          for row in 0..<rows {
            let values = x + (row &* inputs &+ start)
            let factor = values[i &- start]
            if factor != 0 { for j in i &- start..<min(block, inputs &- start) { line[j] += factor * values[j] } }
          }
        }
      }
    }
  }
}
