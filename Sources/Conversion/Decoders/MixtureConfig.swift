// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Schema

/// A decoder's mixture of experts, from DeepSeek's configs and checkpoints: its settings and tensor names.
struct MixtureConfig {
  let settings: MixtureSettings

  /// - Parameter config: the decoder's object, with the defaults of DeepSeek-V2's configuration class.
  init(_ config: ConfigReader) throws {
    guard try !config.bool("use_mla", default: true) else { throw config.fail("use_mla", "latent attention is not supported, only false") }
    guard try config.int("moe_layer_freq", default: 1) == 1 else { throw config.fail("moe_layer_freq", "only 1 is supported") }
    let method = try config.string("topk_method", default: "greedy")
    // With one group, group-limited routing is greedy.
    guard try method == "greedy" || (method == "group_limited_greedy" && config.int("n_group", default: 1) == 1) else {
      throw config.fail("topk_method", "\(method) is not supported, only greedy")
    }
    var s = MixtureSettings()
    s.denseLayers = try config.size("first_k_dense_replace", default: 0, allowZero: true)
    s.experts = try config.size("n_routed_experts")
    s.expertsPerToken = try config.size("num_experts_per_tok")
    s.expertSize = try config.size("moe_intermediate_size", default: 1407)
    let shared = try config.size("n_shared_experts", default: 0, allowZero: true)
    guard s.experts <= 1024, s.expertsPerToken <= s.experts else { throw config.fail("num_experts_per_tok", "should be among at most 1024 experts") }
    guard s.expertSize <= 65536, shared <= 1024 else { throw config.fail("moe_intermediate_size", "\(s.expertSize) is too large") }
    s.sharedSize = shared * s.expertSize
    let scores = try config.string("scoring_func", default: "softmax")
    guard let known = MixtureSettings.Scores(spelling: scores) else { throw config.fail("scoring_func", "\(scores) is not supported") }
    s.scores = known
    // With one expert per token there is nothing to normalise.
    s.renormalises = try config.bool("norm_topk_prob", default: false) && s.expertsPerToken > 1
    s.scale = try config.double("routed_scaling_factor", default: 1)
    settings = s
  }

  /// Plans the mixture of a block.
  /// - Parameters:
  ///   - name: our scope.
  ///   - prefix: of `gate.weight` and `experts.0` in the checkpoint.
  func plan(_ plan: CheckpointPlan, _ name: String, layer: Int, hiddenSize h: Int, from prefix: String) {
    let (s, m) = (settings, settings.expertSize)
    // Routing depends on small differences; the matrix is a thousandth of the block.
    plan.matrix(name + ".router.weight", .exact, [s.experts, h], from: prefix + "gate.weight")
    func parts(_ module: String, _ size: Int) -> [(module: String, outputs: Int)] { [(module + "gate_proj", size), (module + "up_proj", size)] }
    plan.stacked(name + ".experts.gateUp", .decoder(layer: layer, .mlpIn), count: s.experts, inputs: h) { parts("\(prefix)experts.\($0).", m) }
    plan.stacked(name + ".experts.contract", .decoder(layer: layer, .mlpOut), count: s.experts, inputs: m) {
      [("\(prefix)experts.\($0).down_proj", h)]
    }
    guard s.sharedSize > 0 else { return }
    let shared = prefix + "shared_experts."
    plan.linear(name + ".shared.gateUp", .decoder(layer: layer, .mlpIn), inputs: h, parts: parts(shared, s.sharedSize), bias: .none)
    plan.linear(
      name + ".shared.contract", .decoder(layer: layer, .mlpOut), inputs: s.sharedSize, parts: [(shared + "down_proj", h)], bias: .none)
  }
}
