// SPDX-License-Identifier: Apache-2.0
import Decoders
import Regions
import Runtime
import Schema
import Tokenizers
import WeightFile

/// A vision-language system built from a weight file.
package struct LoadedSystem {
  package let general: GeneralSettings
  package let vision: VisionSystem
  package let decoder: Decoder
  /// Whether any weights before the decoder are quantised.
  package let visionIsQuantized: Bool
  package let tokenizer: Tokenizer
  package let template: PromptTemplate
  /// Ids that end an answer.
  package let endIds: [Int32]
  /// Id put before every sequence, where the model was trained with one.
  package let beginId: Int32?
  /// Id of `<image>` in the vocabulary, for checkpoints that tokenise their text as one.
  package let imageId: Int32?
  /// How prompts and answers refer to places in an image; `nil`: the system does not support it.
  package let regionMarks: RegionMarks?
  /// How answers say where they read; `nil`: they do not.
  package let locationTokens: LocationTokens?

  /// What a file with only one part of a system can do.
  package var encodesImages: Bool { general.part != .decoder }
  package var answers: Bool { general.part != .vision }

  /// Builds the system that `general.system` names.
  package init(_ w: Weights, _ m: Metadata) throws(FoveaError) {
    let prompt: PromptSettings
    let text: TokenizerSettings
    do {
      general = try GeneralSettings(m)
      w.store.missing = general.missing
      let (language, settings) = (w["language"].ofDecoder, try DecoderSettings(m))
      decoder = try settings.decoder(language, cacheType: CacheType(general))
      visionIsQuantized = w.isQuantized(outside: language)
      vision = try SystemKind.named(general.system, in: m).build(w, m, DecoderSizes(settings))
      prompt = try PromptSettings(m)
      text = try TokenizerSettings(m)
    } catch { throw FoveaError(error) }
    template = PromptTemplate(prompt)
    let vocabulary = decoder.vocabSize
    tokenizer = try Tokenizer(text, vocabSize: vocabulary, needsImageToken: !template.splitsText)
    endIds = text.endIds.map { Int32($0) }
    beginId = text.bos.flatMap { text.addBos && $0 < vocabulary ? Int32($0) : nil }
    regionMarks = try RegionMarks(prompt.coordinates, vision.regionEncoder, tokenizer)
    locationTokens = try LocationTokens(prompt.locations, tokenizer, vocabulary: vocabulary)
    imageId = template.splitsText ? nil : tokenizer.id(of: PromptTemplate.imageMark)
  }

  /// A prompt as token ids, in parts: image `i` stands between part `i` and part `i + 1`. The begin-of-sequence id comes
  /// first where the model has one.
  /// - Parameters:
  ///   - images: number of images, which must equal the number of marks.
  ///   - limit: most tokens; more throw as soon as they are known.
  package func tokenize(prompt: [UInt8], images: Int, limit: Int = .max, stop: StopSignal = StopSignal()) throws(FoveaError) -> [[Int32]] {
    var parts: [[Int32]] = []
    if let imageId {
      let ids = try tokenize(prompt, "prompt", limit: limit, stop: stop)
      parts = ids.split(separator: imageId, omittingEmptySubsequences: false).map { Array($0) }
    } else {
      var left = limit
      // Checked before the prompt is split into as many parts.
      let marks = PromptTemplate.imageMarks(in: prompt)
      guard marks == images else { throw FoveaError.imageMarks(found: marks, images: images) }
      for text in PromptTemplate.split(prompt) {
        parts.append(try tokenize(text, "prompt", limit: left, of: limit, stop: stop))
        left -= parts[parts.count - 1].count
      }
    }
    guard parts.count - 1 == images else {
      throw FoveaError.imageMarks(found: parts.count - 1, images: images)
    }
    if let beginId { parts[0].insert(beginId, at: 0) }
    return parts
  }

  /// Ids of a text without template or begin-of-sequence id.
  /// - Parameters:
  ///   - name: the text's name in errors.
  ///   - limit: most tokens; more throw an error that names `whole` as soon as they are known.
  package func tokenize(
    _ text: [UInt8], _ name: String, limit: Int, of whole: Int? = nil, stop: StopSignal
  ) throws(FoveaError) -> [Int32] {
    do throws(TokenizerError) {
      return try tokenizer.encode(text, addBOS: false, parseSpecials: true, limit: limit) { stop.isStopped }
    } catch {
      switch error {
      case .tooManyIds: throw .context(name, positions: whole ?? limit, isLeast: true, capacity: whole ?? limit)
      case .stopped: throw FoveaError(stop.reason)
      default: throw FoveaError(error)
      }
    }
  }
}
