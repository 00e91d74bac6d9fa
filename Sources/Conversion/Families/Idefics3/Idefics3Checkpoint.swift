// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Families
import Schema
import Tokenizers

/// Idefics3, SmolVLM, SmolDocling and granite-docling as transformers saves them (`Idefics3ForConditionalGeneration`,
/// `SmolVLMForConditionalGeneration`).
enum Idefics3Checkpoint {
  static let fakeToken = "<fake_token_around_image>"

  static func describe(_ checkpoint: OpenCheckpoint) throws -> SystemDescription {
    let config = checkpoint.config
    var text = try TextConfig(try tied(config), takesGranite: true)
    var settings = Idefics3Settings()
    let processor = try checkpoint.imageProcessor()
    settings.slicing = try slicing(processor)
    settings.statistics = try statistics(processor)
    settings.vision = try SigLIPSettings(try config.object("vision_config"), tileSide: settings.slicing.tileSide)
    settings.shuffle = try config.size("scale_factor", default: 2)
    guard settings.vision.grid % settings.shuffle == 0 else {
      throw config.fail("scale_factor", "\(settings.shuffle) does not divide the \(settings.vision.grid) patches of a tile's side")
    }

    let language = [(prefix: "model.text_model.", head: "lm_head.weight")]
    let connector = "model.connector.modality_projection.proj"
    let decoder = try LlamaNames(CheckpointPlan(checkpoint.source), layouts: language, &text)
    let source =
      text.multipliers?.source(checkpoint.source, decoder, text, inputs: [connector + ".weight"], scalesLogits: false) ?? checkpoint.source
    let plan = CheckpointPlan(source)
    let tower = SigLIPNames(plan, prefixes: ["model.vision_model."], scope: "vision")
    tower.plan(plan, settings.vision)
    let size = settings.vision.hiddenSize * settings.shuffle * settings.shuffle
    plan.linear("projector", .projector, inputs: size, parts: [(connector, text.hiddenSize)], bias: .none)
    decoder.plan(plan, text)

    var needs = TokenizerNeeds(imageToken: try config.int("image_token_id", default: 128_257))
    let docTags = try DocTagTokens(checkpoint)
    needs.shownTokens = docTags?.shown ?? []
    let tokenizer = try TokenizerMetadata(checkpoint, needs).settings(vocabSize: text.vocabSize)
    settings.marks = try marks(tokenizer, settings.slicing, config, vocabSize: text.vocabSize)
    var format = try PromptFormat.smolVLM.following(checkpoint, addsBegin: tokenizer.addBos)
    if docTags != nil { format = format.asking(DocTagTokens.tasks) }
    var prompt = try format.overridden(by: config).settings(imageTokenSplitsText: false)
    if docTags != nil { prompt.coordinates = .docTags }
    return try SystemDescription(
      system: "idefics3", plan: plan, decoder: DecoderSettings(text.settings), vision: settings, prompt: prompt, tokenizer: needs
    ) { decoder.isIgnorable($0, text) || tower.isIgnorable($0) }
  }

  /// The decoder's config. A tied head may be stated at the top or there, or follow from a missing head.
  private static func tied(_ config: ConfigReader) throws -> ConfigReader {
    let text = try config.object("text_config")
    let isTied = try config.bool("tie_word_embeddings", default: false) || text.bool("tie_word_embeddings", default: false)
    let members = (text.value.members ?? []).filter { $0.key != "tie_word_embeddings" }
    return ConfigReader(file: text.file, value: .object(members + [("tie_word_embeddings", .bool(isTied))]), path: "text_config.")
  }

  /// - Parameter processor: the image processor's settings; nil: the defaults of Idefics3ImageProcessor.
  private static func slicing(_ processor: ConfigReader?) throws -> Idefics3SlicingSettings {
    var s = Idefics3SlicingSettings()
    (s.longestEdge, s.tileSide) = (4 * 364, 364)
    guard let processor else { return s }
    func edge(_ key: String, _ fallback: Int) throws -> Int {
      guard processor.has(key) else { return fallback }
      let size = try processor.object(key)
      return try size.size("longest_edge")
    }
    s.longestEdge = min(try edge("size", s.longestEdge), 4096)
    s.tileSide = try edge("max_image_size", s.tileSide)
    s.splits = try processor.bool("do_image_splitting", default: true)
    guard s.tileSide <= 4096 else { throw processor.fail("max_image_size", "\(s.tileSide) is too large") }
    guard !s.splits || s.mostPerSide <= 16 else {
      throw processor.fail(
        "size", "\(s.longestEdge) pixels would be cut into \(s.mostPerSide) tiles of \(s.tileSide) along a side; at most 16 are supported")
    }
    guard try processor.int("resample", default: 1) == 1 else { throw processor.fail("resample", "only 1 (Lanczos) is supported") }
    for step in ["do_resize", "do_rescale", "do_normalize"] {
      guard try processor.bool(step, default: true) else { throw processor.fail(step, "images that skip this step are not supported") }
    }
    try ImagePreprocessing.checkRescaling(processor)
    return s
  }

  private static func statistics(_ processor: ConfigReader?) throws -> NormalisationSettings {
    let half = [0.5, 0.5, 0.5]
    let s = NormalisationSettings(
      mean: try processor?.doubles("image_mean", count: 3) ?? half, std: try processor?.doubles("image_std", count: 3) ?? half)
    if let processor, s.std.contains(where: { $0 <= 0 }) { throw processor.fail("image_std", "should be above zero") }
    return s
  }

  /// Ids of the text between an image's vectors: special tokens surround each piece, so each is tokenised by itself.
  private static func marks(
    _ s: TokenizerSettings, _ slicing: Idefics3SlicingSettings, _ config: ConfigReader, vocabSize: Int
  ) throws -> Idefics3MarkSettings {
    let tokenizer: Tokenizer
    do { tokenizer = try Tokenizer(s, vocabSize: vocabSize, needsImageToken: true) } catch {
      throw ConversionError.malformed(file: "tokenizer", detail: error.message)
    }
    guard tokenizer.id(of: Array(fakeToken.utf8)) != nil else {
      throw ConversionError.malformed(file: "tokenizer", detail: "there is no token \(fakeToken)")
    }
    func ids(_ text: String) throws -> [Int] {
      do { return try tokenizer.encode(Array(text.utf8), addBOS: false, parseSpecials: true).map { Int($0) } } catch {
        throw ConversionError.malformed(file: "tokenizer", detail: error.description)
      }
    }
    var marks = Idefics3MarkSettings()
    marks.wholeIds = try ids(fakeToken + "<global-img>")
    marks.endIds = try ids(fakeToken)
    guard slicing.splits else { return marks }
    marks.rowEndIds = try ids("\n")
    marks.tilesEndIds = try ids("\n\n")
    for row in 1...slicing.mostPerSide {
      for column in 1...slicing.mostPerSide {
        let tile = try ids("\(fakeToken)<row_\(row)_col_\(column)>")
        marks.tileIds += tile
        marks.tileCounts.append(tile.count)
      }
    }
    return marks
  }
}
