// SPDX-License-Identifier: Apache-2.0
import Runtime
import Schema

/// The RoPE tables of a decoder: one, or with dynamic NTK several, chosen by the prompt's length.
struct RotaryTables {
  private let tables: [RotaryEmbedding]
  private let growth: DynamicNTK?

  init(_ c: LlamaSettings) {
    let theta = Float(c.ropeTheta)
    growth = c.ntkContext.map { DynamicNTK(trained: $0) }
    let bases = growth?.bases(theta: theta, headSize: c.headSize, upTo: c.contextLength) ?? [theta]
    tables = bases.map { RotaryEmbedding(headSize: c.headSize, theta: $0, scaling: c.scaling) }
  }

  /// Number of the table for a prompt of this many positions.
  func ropeTable(promptLength: Int) -> Int { min(growth?.number(promptLength: promptLength) ?? 0, tables.count - 1) }

  subscript(ropeTable: Int) -> RotaryEmbedding { tables[min(max(ropeTable, 0), tables.count - 1)] }
}

extension LlamaSettings {
  fileprivate var scaling: RotaryEmbedding.Scaling {
    switch ropeScaling {
    case nil, .dynamicNTK: .none
    case .linear: .linear(factor: Float(ropeFactor))
    case .llama3:
      .llama3(
        factor: Float(ropeFactor), lowFrequencyFactor: Float(ropeLowFrequencyFactor),
        highFrequencyFactor: Float(ropeHighFrequencyFactor), originalContext: ropeOriginalContext)
    }
  }
}
