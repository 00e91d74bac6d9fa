// SPDX-License-Identifier: Apache-2.0
import Families
import Schema

/// The common result of both layouts of LLaVA's checkpoints.
struct LLaVAParts {
  let vision: CLIPSettings
  let statistics: NormalisationSettings
  let projector: ProjectorSettings
  let fit: SquareFitSettings
  /// Of LLaVA-NeXT; nil: LLaVA-1.5, whose images use `fit`.
  let pinpoints: [Int]?
  let decoder: TextConfig
  let prompt: PromptSettings

  func description(
    _ plan: CheckpointPlan, tokenizer: TokenizerNeeds = TokenizerNeeds(), isIgnorable: (String) -> Bool
  ) throws -> SystemDescription {
    let decoder = DecoderSettings(self.decoder.settings)
    if let pinpoints {
      var s = LLaVANeXTSettings()
      (s.vision, s.statistics, s.projector) = (vision, statistics, projector)
      s.pinpoints.pinpoints = pinpoints
      return try SystemDescription(
        system: "llava_next", plan: plan, decoder: decoder, vision: s, prompt: prompt, tokenizer: tokenizer, isIgnorable: isIgnorable)
    }
    var s = LLaVASettings()
    (s.vision, s.statistics, s.projector, s.fit) = (vision, statistics, projector, fit)
    return try SystemDescription(
      system: "llava", plan: plan, decoder: decoder, vision: s, prompt: prompt, tokenizer: tokenizer, isIgnorable: isIgnorable)
  }
}
