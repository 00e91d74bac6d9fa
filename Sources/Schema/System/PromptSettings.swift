// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// Prompt templates of a checkpoint. They hold `{system}`, `<image>` and `{question}`.
package struct PromptSettings: Settings {
  package static let scope = "prompt"

  /// How places in an image are written.
  package enum Coordinates: Spelled {
    /// `[x1, y1, x2, y2]`
    case ferret
    /// `<box>(x1,y1),(x2,y2)</box>`
    case qwen
    /// `<loc_x1><loc_y1><loc_x2><loc_y2>`
    case docTags
    /// `<|det|>[[x1, y1, x2, y2]]<|/det|>`
    case deepSeek

    package var spelling: StaticString {
      switch self {
      case .ferret: "ferret"
      case .qwen: "qwen"
      case .docTags: "doctags"
      case .deepSeek: "deepseek"
      }
    }
  }

  package var template = "", system = ""
  /// Empty: the template without its `<image>`.
  package var textTemplate = ""
  /// Text between an answer and the next turn.
  package var turnSeparator = ""
  /// UTF-8.
  package var stop: [[UInt8]] = []
  /// True: the text around each `<image>` is tokenised by itself (LLaVA's `tokenizer_image_token`); false: `<image>` is a token of the
  /// vocabulary and the text is tokenised as one (llava-hf layouts).
  package var imageTokenSplitsText = true
  /// Other forms of the question by name, and their templates.
  package var tasks: [[UInt8]] = [], taskTemplates: [[UInt8]] = []
  package var minTokens = 0, ngramBan = 0, ngramWindow = 0
  /// UTF-8.
  package var ngramAllowed: [[UInt8]] = []
  package var joinsImages = false
  package var coordinates: Coordinates?
  package var turns = TurnSettings()
  package var locations = LocationSettings()

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.string("template", &template, "The prompt of one question.")
    try f.string(
      "textTemplate", &textTemplate, default: "", "The prompt of a question without images; empty: `prompt.template` without its `<image>`.")
    try f.string("system", &system, default: "", "What stands for `{system}`.")
    try f.string("turnSeparator", &turnSeparator, default: "", "Text between an answer and the next turn of a conversation; empty: there is none.")
    try f.texts("stop", &stop, isOptional: true, "Texts that end an answer, besides the end tokens.")
    try f.bool(
      "imageTokenSplitsText", &imageTokenSplitsText, default: true,
      "Whether the text around `<image>` is tokenised in pieces; else `<image>` is a token.")
    try f.texts("tasks", &tasks, isOptional: true, "Names of other forms of the question.")
    try f.texts("taskTemplates", &taskTemplates, isOptional: true, "A template for each task; one without `{question}` asks by itself.")
    try f.int("minTokens", &minTokens, in: 0...1_048_576, default: 0, "Tokens that an answer has at least.")
    try f.int("ngramBan", &ngramBan, in: 0...1_048_576, default: 0, "Length of runs of tokens that may not occur twice; 0: any may.")
    try f.int(
      "ngramWindow", &ngramWindow, in: 0...1_048_576, default: 0, "How many of the last tokens `prompt.ngramBan` looks at; 0: all.")
    try f.texts("ngramAllowed", &ngramAllowed, isOptional: true, "Tokens that no ban of runs holds back.")
    try f.bool("joinsImages", &joinsImages, default: false, "Whether images beside each other share one start and one end mark.")
    try f.choice("coordinates", &coordinates, "How places are written; absent: as `qwen` where the vocabulary has its marks, else not at all.")
    try f.part(&turns)
    try f.part(&locations)
    try f.check(
      tasks.count == taskTemplates.count, "taskTemplates", found: "\(taskTemplates.count) templates",
      expected: "one for each of \(tasks.count) tasks")
  }
}
