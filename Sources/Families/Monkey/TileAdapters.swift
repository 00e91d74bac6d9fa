// SPDX-License-Identifier: Apache-2.0
import Runtime
import WeightFile

/// The adapters of one tile in one block (Monkey, arXiv:2311.06607 §3.1), in parallel with q|k|v, with the attention's output, and with
/// the whole MLP.
struct TileAdapters {
  let qkv, output, mlp: LowRankAdapter

  init(_ w: Weights, hiddenSize: Int) throws(WeightFileError) {
    qkv = try LowRankAdapter(w["qkv"], from: hiddenSize, to: 3 * hiddenSize)
    output = try LowRankAdapter(w["out"], from: hiddenSize, to: hiddenSize)
    mlp = try LowRankAdapter(w["mlp"], from: hiddenSize, to: hiddenSize)
  }
}
