// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Quantization
import Schema
import WeightFile

/// A parsed checkpoint: the tensors and the metadata of the weight file. Only configs have been read.
package struct SystemDescription {
  /// The system's name, the value of `general.system`.
  package let system: String
  package let tensors: [PlannedTensor]
  package let source: any TensorSource
  package let decoder: DecoderSettings
  package let vision: any VisionSettings
  package let prompt: PromptSettings
  package let tokenizer: TokenizerNeeds

  /// Readers by name: the first of `architectures` in config.json, else `model_type`.
  private static let readers: [(names: [String], describe: @Sendable (OpenCheckpoint) throws -> SystemDescription)] = [
    (["LlavaForConditionalGeneration"], { try TransformersLlava.describe($0, isNext: false) }),
    (["LlavaNextForConditionalGeneration", "llava_next"], { try TransformersLlava.describe($0, isNext: true) }),
    (["HiResLlavaLlamaForCausalLM", "hires_llava"], HiResLlava.describe),
    (["MonkeyLMHeadModel", "TextMonkeyLMHeadModel", "monkey"], MonkeyCheckpoint.describe),
    (
      ["FerretLlamaForCausalLM", "FERRETLlamaForCausalLM", "FerretV2LlamaForCausalLM", "ferret", "ferret_llama", "ferret_v2"],
      Ferret.describe
    ),
    (["LlavaLlamaForCausalLM", "LlavaMistralForCausalLM", "llava_llama", "llava_mistral"], OriginalLlava.describe),
    (["DeepseekOCRForCausalLM", "DeepseekOCR"], DeepSeekOCRCheckpoint.describe),
    (["DeepseekOCR2ForCausalLM", "DeepseekOcr2ForConditionalGeneration", "deepseek_ocr2"], DeepSeekOCR2Checkpoint.describe),
    (["Idefics3ForConditionalGeneration", "SmolVLMForConditionalGeneration", "idefics3", "smolvlm"], Idefics3Checkpoint.describe),
    (
      ["LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM", "GraniteForCausalLM", "llama", "mistral", "qwen2", "granite"],
      TextOnlyCheckpoint.describe
    ),
    // Both layouts have this model type; only transformers' nests the decoder's config.
    (["llava"], { try $0.config.has("text_config") ? TransformersLlava.describe($0, isNext: false) : OriginalLlava.describe($0) }),
  ]

  /// Readers that recognise their checkpoints by tensors, whatever the config says.
  private static let recognisers: [@Sendable (OpenCheckpoint) throws -> SystemDescription?] = [VaryCheckpoint.describe, GOTCheckpoint.describe]

  /// Refuses checkpoints that no reader supports, before missing weights are reported.
  static func refuseUnknown(_ config: ConfigReader) throws {
    let architectures = config.value["architectures"]?.array?.compactMap(\.string) ?? []
    let name = try architectures.first ?? config.string("model_type", default: "")
    let isRecognised = ["vary", "got"].contains { name.lowercased().contains($0) }
    guard name.isEmpty || isRecognised || readers.contains(where: { $0.names.contains(name) }) else { throw unknown(name) }
  }

  private static func unknown(_ name: String) -> ConversionError {
    .unsupported(
      "architecture \(name.isEmpty ? "(none in config.json)" : name); LLaVA-1.5, LLaVA-NeXT, HiRes-LLaVA, Monkey, TextMonkey, Vary, GOT-OCR2, DeepSeek-OCR and DeepSeek-OCR 2, Ferret, Idefics3, SmolVLM and decoders by themselves are known"
    )
  }

  package init(_ checkpoint: OpenCheckpoint) throws {
    for recognise in Self.recognisers {
      if let found = try recognise(checkpoint) {
        self = found
        return
      }
    }
    let architectures = checkpoint.config.value["architectures"]?.array?.compactMap(\.string) ?? []
    let name = try architectures.first ?? checkpoint.config.string("model_type", default: "")
    guard let reader = Self.readers.first(where: { $0.names.contains(name) }) else { throw Self.unknown(name) }
    self = try reader.describe(checkpoint)
  }

  init(
    system: String, plan: CheckpointPlan, decoder: DecoderSettings, vision: some VisionSettings, prompt: PromptSettings,
    tokenizer: TokenizerNeeds = TokenizerNeeds(), isIgnorable: (String) -> Bool
  ) throws {
    try plan.finish(isIgnorable: isIgnorable)
    self.system = system
    tensors = plan.tensors
    source = plan.source
    self.decoder = decoder
    var vision = vision
    vision.decoder = DecoderSizes(decoder)
    self.vision = vision
    self.prompt = prompt
    self.tokenizer = tokenizer
  }
}
