// SPDX-License-Identifier: Apache-2.0
#if arch(x86_64)
/// 6 rows of 16 columns are more than the 16 vector registers; the wider kinds would be worse.
typealias WideColumns = Columns1
typealias WideIntegerColumns = IntegerColumns1
/// What `linearSmallGroups` computes together: 2 tokens with one block take 8 registers of sums.
typealias OneTokenSum = GroupSum
typealias ManyTokenSums = TwoTokenSums
typealias PackedManyReader = PackedReader
typealias ExpandedReader = OneBlockReader
#endif
