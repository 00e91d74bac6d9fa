// SPDX-License-Identifier: Apache-2.0
import Runtime
import WeightFile

/// The adapters of one tile in one block (Monkey, arXiv:2311.06607 §3.1): beside q|k|v, beside the attention's output, and beside
/// the whole MLP.
struct TileAdapters {
  let qkv, output, mlp: LowRankAdapter

  init(_ w: Weights, hiddenSize: Int) throws(WeightFileError) {
    qkv = try LowRankAdapter(w["qkv"], from: hiddenSize, to: 3 * hiddenSize)
    output = try LowRankAdapter(w["out"], from: hiddenSize, to: hiddenSize)
    mlp = try LowRankAdapter(w["mlp"], from: hiddenSize, to: hiddenSize)
  }
}
