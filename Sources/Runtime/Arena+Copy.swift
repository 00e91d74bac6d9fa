// SPDX-License-Identifier: Apache-2.0

extension Arena {
  /// A tensor with the same values.
  package func copy(_ x: Tensor) throws(RuntimeError) -> Tensor {
    let y = try tensor(x.rows, x.columns)
    y.data.update(from: x.data, count: x.rows &* x.columns)
    return y
  }
}
