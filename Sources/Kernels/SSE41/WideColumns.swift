// SPDX-License-Identifier: Apache-2.0
#if arch(x86_64)
/// 6 rows of 16 columns do not fit into the 16 vector registers; wider tiles would spill more.
typealias WideColumns = Columns1
typealias WideIntegerColumns = IntegerColumns1
/// Register tile of `linearSmallGroups`: 2 tokens × 1 block, 8 registers of sums.
typealias OneTokenSum = GroupSum
typealias ManyTokenSums = TwoTokenSums
typealias PackedManyReader = PackedReader
typealias ExpandedReader = OneBlockReader
#endif
