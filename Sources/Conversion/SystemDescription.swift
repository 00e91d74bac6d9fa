// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// A checkpoint understood: which tensors go into the weight file, and what its metadata say of the system. Nothing is read yet but configs.
package struct SystemDescription {
  package let system: String
  package let tensors: [PlannedTensor]
  package let source: any TensorSource
  package let metadata: [(key: String, value: MetadataValue)]
  package let tokenizer: TokenizerNeeds

  /// Recognises the system by its tensors or by `architectures` in config.json.
  package init(_ checkpoint: OpenCheckpoint) throws {
    let architectures = checkpoint.config.value["architectures"]?.array?.compactMap(\.string) ?? []
    let type = try checkpoint.config.string("model_type", default: "")
    if let found = try VaryCheckpoint.describe(checkpoint) ?? GOTCheckpoint.describe(checkpoint) {
      self = found
      return
    }
    switch architectures.first ?? type {
    case "LlavaForConditionalGeneration": self = try TransformersLlava.describe(checkpoint, isNext: false)
    case "LlavaNextForConditionalGeneration", "llava_next": self = try TransformersLlava.describe(checkpoint, isNext: true)
    case "HiResLlavaLlamaForCausalLM", "hires_llava": self = try HiResLlava.describe(checkpoint)
    case "MonkeyLMHeadModel", "TextMonkeyLMHeadModel", "monkey": self = try MonkeyCheckpoint.describe(checkpoint)
    case "FerretLlamaForCausalLM", "FERRETLlamaForCausalLM", "FerretV2LlamaForCausalLM", "ferret", "ferret_llama", "ferret_v2":
      self = try Ferret.describe(checkpoint)
    case "LlavaLlamaForCausalLM", "LlavaMistralForCausalLM", "llava_llama", "llava_mistral":
      self = try OriginalLlava.describe(checkpoint)
    case "llava":
      // Both families use this model type; only transformers' nests the decoder's config.
      self =
        checkpoint.config.has("text_config")
        ? try TransformersLlava.describe(checkpoint, isNext: false) : try OriginalLlava.describe(checkpoint)
    case let other:
      throw ConversionError.unsupported(
        "architecture \(other.isEmpty ? "(none in config.json)" : other); LLaVA-1.5, LLaVA-NeXT, HiRes-LLaVA, Monkey, TextMonkey, Vary, GOT-OCR2 and Ferret are known")
    }
  }

  init(
    system: String, plan: CheckpointPlan, metadata: [(key: String, value: MetadataValue)],
    tokenizer: TokenizerNeeds = TokenizerNeeds(), isIgnorable: (String) -> Bool
  ) throws {
    try plan.finish(isIgnorable: isIgnorable)
    self.system = system
    tensors = plan.tensors
    source = plan.source
    self.metadata = metadata
    self.tokenizer = tokenizer
  }

  static func visionMetadata(_ c: VisionConfig, used: Int, dropClass: Bool) -> [(String, MetadataValue)] {
    [
      ("vision.hiddenSize", .int(c.hiddenSize)), ("vision.intermediateSize", .int(c.intermediateSize)),
      ("vision.layers", .int(used)),
      ("vision.heads", .int(c.heads)), ("vision.imageSize", .int(c.imageSize)), ("vision.patchSize", .int(c.patchSize)),
      ("vision.normEpsilon", .double(c.normEpsilon)), ("vision.activation", .string(c.activation)),
      ("vision.dropClass", .bool(dropClass)),
    ]
  }
}
