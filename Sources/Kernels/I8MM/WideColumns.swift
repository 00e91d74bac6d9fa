// SPDX-License-Identifier: Apache-2.0
#if arch(arm64)
/// 6 rows of 16 columns keep 24 of the 32 vector registers busy.
typealias WideColumns = Columns1
typealias WideIntegerColumns = IntegerColumns1
/// Register tile of `linearSmallGroups`: 4 tokens × 1 block, 16 registers of sums.
typealias OneTokenSum = GroupSum
typealias ManyTokenSums = SumsPair<TokenPairSums, TokenPairSums>
typealias PackedManyReader = PackedReader
typealias ExpandedReader = OneBlockReader
#endif
