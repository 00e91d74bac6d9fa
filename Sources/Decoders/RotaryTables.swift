// SPDX-License-Identifier: Apache-2.0
import Runtime

/// The rotary tables of a decoder: one, or several of which the prompt's length chooses.
struct RotaryTables {
  private let tables: [RotaryEmbedding]
  private let growth: DynamicNTK?

  init(_ c: LlamaConfig) {
    growth = c.ntkContext.map { DynamicNTK(trained: $0) }
    let bases = growth?.bases(theta: c.ropeTheta, headSize: c.headSize, upTo: c.contextLength) ?? [c.ropeTheta]
    tables = bases.map { RotaryEmbedding(headSize: c.headSize, theta: $0, scaling: c.ropeScaling) }
  }

  /// Number of the table for a prompt of this many positions.
  func variant(promptLength: Int) -> Int { min(growth?.number(promptLength: promptLength) ?? 0, tables.count - 1) }

  subscript(variant: Int) -> RotaryEmbedding { tables[min(max(variant, 0), tables.count - 1)] }
}
