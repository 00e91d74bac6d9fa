// SPDX-License-Identifier: Apache-2.0
import Shims

/// IEEE 754 binary16, the same result on every CPU.
package enum Half {
  /// The value of binary16 `bits`, exactly; NaNs are quiet.
  @inline(__always)
  package static func float(_ bits: UInt16) -> Float { float_of_half(bits) }

  /// The binary16 nearest to `value`, ties to even; beyond ±65 519.99… it is infinity, NaN stays a quiet NaN.
  @inline(__always)
  package static func bits(_ value: Float) -> UInt16 { half_of_float(value) }
}
