// SPDX-License-Identifier: Apache-2.0
#if arch(x86_64)
/// 6 rows of 64 columns keep 24 of the 32 vector registers busy.
typealias WideColumns = Columns4
typealias WideIntegerColumns = IntegerColumns4
/// Register tile of `linearSmallGroups`: 6 tokens × 2 blocks keep 24 registers busy.
typealias OneTokenSum = TwoBlocksSum
typealias ManyTokenSums = SumsPair<FourTokenSums, TwoTokenSums>
typealias PackedManyReader = PackedPairReader
typealias ExpandedReader = TwoBlocksReader
#endif
