// SPDX-License-Identifier: Apache-2.0
#if arch(x86_64)
/// 6 rows of 16 columns keep 12 of the 16 vector registers busy.
typealias WideColumns = Columns1
typealias WideIntegerColumns = IntegerColumns1
extension VectorKernels {
  /// Whether `linearSmallGroups` takes two blocks at once.
  @inline(__always) static var pairsBlocks: Bool { false }
}
#endif
