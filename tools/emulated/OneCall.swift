// SPDX-License-Identifier: Apache-2.0
import Kernels
import Shims

/// A call of one kernel at a size of real models, for counting its instructions: tools/count-instructions.
struct OneCall {
  let name: StaticString
  /// Products of a linear layer or attention, else elements.
  let units: Int
  let run: (KernelTable) -> Void

  /// Every call; each prepares its numbers when it is run.
  static var all: [OneCall] {
    [
      linear("linear int8, 1 token", .q8, tokens: 1), linear("linear int8, 16 tokens", .q8, tokens: 16),
      linear("linear int4, 1 token", .n4, tokens: 1), linear("linear int4, 16 tokens", .n4, tokens: 16),
      linear("linear int6, 1 token", .q6, tokens: 1), linear("linear int6, 16 tokens", .q6, tokens: 16),
      linear("linear f16, 1 token", .f16, tokens: 1), linear("linear f16, 16 tokens", .f16, tokens: 16),
      attention("attention f32, 48 queries", FOVEA_ATTENTION_F32, FOVEA_ROWS_F16, queries: 48, headSize: 64),
      attention("attention int8, 48 queries", FOVEA_ATTENTION_INT8, FOVEA_ROWS_F16, queries: 48, headSize: 64),
      attention("attention of int8, 1 query", FOVEA_ATTENTION_F32, FOVEA_ROWS_INT8, queries: 1, headSize: 128),
      row("quantize") { table, x, _, n in
        var (q, scales, offsets) = ([Int8](repeating: 0, count: n), [Float](repeating: 0, count: n / 32), [Int32](repeating: 0, count: n / 32))
        table.quantize(x, n, n, 32, 128, &q, &scales, &offsets)
      },
      row("layerNorm") { $0.layerNorm($1, $1, $1, $2, $3, 1e-5) },
      row("gelu") { $0.gelu($2, $3) },
      row("silu") { $0.silu($2, $3) },
      row("softmax") { $0.softmax($2, $3) },
    ]
  }

  private static func linear(_ name: StaticString, _ layout: WeightLayout, tokens: Int) -> OneCall {
    let (outputs, inputs) = (32, 512)
    return OneCall(name: name, units: outputs * inputs * tokens) { table in
      _ = LinearCase(layout, outputs: outputs, inputs: inputs, tokens: tokens, group: 32, seed: 1).run(table)
    }
  }

  private static func attention(_ name: StaticString, _ arithmetic: Int32, _ rows: Int32, queries: Int, headSize: Int) -> OneCall {
    let c = AttentionCase(queries: queries, keys: 256, heads: 1, kvHeads: 1, headSize: headSize)
    return OneCall(name: name, units: 2 * c.queries * c.keys * c.headSize) { table in
      _ = AttentionFixture(c, rows: rows, KernelTable.all()[0]).run(table, arithmetic, 0)
    }
  }

  private static func row(
    _ name: StaticString, _ f: @escaping (KernelTable, UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int) -> Void
  ) -> OneCall {
    OneCall(name: name, units: 1024) { table in
      var random = SeededRandom(seed: 1)
      let x = random.normal(1024)
      _ = inPlace(x) { f(table, x, $0, x.count) }
    }
  }
}
