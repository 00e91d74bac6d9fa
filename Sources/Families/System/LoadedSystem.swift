// SPDX-License-Identifier: Apache-2.0
import Decoders
import Runtime
import Schema
import Tokenizers
import WeightFile

/// The parts of a system that a weight file describes, built over its weights.
package struct LoadedSystem {
  package let general: GeneralSettings
  package let vision: VisionSystem
  package let decoder: Decoder
  /// Whether any weights in front of the decoder are quantised.
  package let visionIsQuantized: Bool
  package let tokenizer: Tokenizer
  package let template: PromptTemplate
  /// Ids that end an answer.
  package let endIds: [Int32]
  /// Id put in front of every sequence, where the model was trained with one.
  package let beginId: Int32?
  /// Id of `<image>` in the vocabulary, for checkpoints that tokenise their text as one.
  package let imageId: Int32?
  /// How prompts and answers speak of places in an image; `nil`: this system does not.
  package let coordinates: CoordinateForm?
  /// The token that a region's vector stands in for, where there is a region encoder.
  package let regionToken: RegionToken?

  /// Builds the system that `general.system` names.
  package init(_ w: Weights, _ m: Metadata) throws(FoveaError) {
    let prompt: PromptSettings
    let text: TokenizerSettings
    do {
      general = try GeneralSettings(m)
      let language = w["language"]
      decoder = try DecoderSettings(m).decoder(language, cacheType: CacheType(general))
      visionIsQuantized = w.isQuantized(outside: language)
      vision = try SystemKind(m).vision(w, m, outputSize: decoder.hiddenSize)
      prompt = try PromptSettings(m)
      text = try TokenizerSettings(m)
    } catch { throw FoveaError(error) }
    do { tokenizer = try Tokenizer(text) } catch { throw FoveaError(error) }
    template = PromptTemplate(prompt)

    let vocabulary = decoder.vocabSize
    guard tokenizer.vocabularySize <= vocabulary else {
      throw FoveaError(.format, "tokenizer: \(tokenizer.vocabularySize) tokens, but language.vocabSize is \(vocabulary)")
    }
    guard text.endIds.allSatisfy({ $0 < vocabulary }) else {
      throw FoveaError(.format, "tokenizer: an end id outside 0..<\(vocabulary), which language.vocabSize allows")
    }
    endIds = text.endIds.map { Int32($0) }
    beginId = text.bos.flatMap { text.addBos && $0 < vocabulary ? Int32($0) : nil }
    coordinates = CoordinateForm(prompt.coordinates, tokenizer)
    regionToken = vision.regionEncoder == nil ? nil : try RegionToken(m, tokenizer)
    imageId = template.splitsText ? nil : tokenizer.id(of: PromptTemplate.imageMark)
    if !template.splitsText, imageId == nil {
      throw FoveaError(.format, "tokenizer: no <image> token, but prompt.imageTokenSplitsText is false")
    }
  }

  /// A prompt as token ids, in parts: image `i` stands between part `i` and part `i + 1`. The begin-of-sequence id comes
  /// first where the model has one.
  /// - Parameter images: how many images the prompt must have marks for.
  package func tokenize(prompt: [UInt8], images: Int) throws(FoveaError) -> [[Int32]] {
    var parts: [[Int32]] = []
    do {
      if let imageId {
        let ids = try tokenizer.encode(prompt, addBOS: false, parseSpecials: true)
        parts = ids.split(separator: imageId, omittingEmptySubsequences: false).map { Array($0) }
      } else {
        for text in PromptTemplate.split(prompt) {
          parts.append(try tokenizer.encode(text, addBOS: false, parseSpecials: true))
        }
      }
    } catch { throw FoveaError(error) }
    guard parts.count - 1 == images else {
      throw FoveaError(.argument, "prompt: \(parts.count - 1) <image> marks, but \(images) images were given")
    }
    if let beginId { parts[0].insert(beginId, at: 0) }
    return parts
  }
}
