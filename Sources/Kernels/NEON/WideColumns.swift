// SPDX-License-Identifier: Apache-2.0
#if arch(arm64)
/// 6 rows of 16 columns keep 24 of the 32 vector registers busy.
typealias WideColumns = Columns1
typealias WideIntegerColumns = IntegerColumns1
extension VectorKernels {
  /// Whether `linearSmallGroups` takes two blocks at once.
  @inline(__always) static var pairsBlocks: Bool { false }
}
#endif
