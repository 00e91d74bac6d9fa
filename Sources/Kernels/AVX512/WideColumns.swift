// SPDX-License-Identifier: Apache-2.0
#if arch(x86_64)
/// 6 rows of 64 columns keep 24 of the 32 vector registers busy.
typealias WideColumns = Columns4
typealias WideIntegerColumns = IntegerColumns4
extension VectorKernels {
  /// Whether `linearSmallGroups` takes two blocks at once.
  @inline(__always) static var pairsBlocks: Bool { true }
}
#endif
