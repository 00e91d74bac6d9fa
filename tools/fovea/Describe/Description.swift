// SPDX-License-Identifier: Apache-2.0

/// The description of one image, in the layout of Monkey's published training records (arXiv:2311.06607 §3.2).
struct Description {
  struct Region {
    var caption: String
    var box: NormalisedBox
    /// Captions: the model's probability that the caption fits the box. Texts: geometric mean of the tokens' probabilities.
    var score: Double
  }

  var image: String
  var caption = ""
  /// Regions named by the model or the caller, and regions of a grid over the image.
  var named: [Region] = [], cells: [Region] = []
  var texts: [Region] = []
  var summary: String?

  /// Thresholds of the paper's filter, and the IoU from which equal captions are one object.
  struct Filter {
    var named = 0.4, cells = 0.5, texts = 0.85, overlap = 0.6
  }

  /// Drops what scores too low, then duplicates: equal captions that overlap with an earlier one.
  mutating func filter(_ f: Filter) {
    named = Self.distinct(named.filter { $0.score > f.named }, overlap: f.overlap)
    cells = Self.distinct(cells.filter { $0.score > f.cells }, overlap: f.overlap)
    texts = Self.distinct(texts.filter { $0.score > f.texts }, overlap: f.overlap)
  }

  static func distinct(_ regions: [Region], overlap: Double) -> [Region] {
    var first: [String: NormalisedBox] = [:]
    return regions.filter { region in
      let key = region.caption.lowercased()
      guard let box = first[key] else {
        first[key] = region.box
        return true
      }
      return region.box.overlap(box) < overlap
    }
  }

  private static func line(_ regions: [Region]) -> String { regions.map { "\($0.caption): \($0.box.text)" }.joined(separator: "; ") }

  private static func list(_ regions: [Region]) -> JSON {
    .array(
      regions.map { region in
        [
          "caption": .string(region.caption), "box": .array(region.box.rounded.map { .double($0) }), "score": .rounded(region.score),
        ]
      })
  }

  /// One record: the published members, then the same as structures, and the summary.
  var record: JSON {
    [
      "img_id": .string(image), "blip2cap": .string(caption), "grit": .string(Self.line(named)), "ocr": .string(Self.line(texts)),
      "sam_blip": .string(Self.line(cells)), "objects": Self.list(named), "regions": Self.list(cells), "texts": Self.list(texts),
      "summary": summary.map { .string($0) } ?? .null,
    ]
  }

  /// The same for display.
  var text: String {
    var lines = [image, "  " + caption]
    if let summary, !summary.isEmpty { lines.append("  in all: " + summary) }
    for (title, regions) in [("object", named), ("region", cells), ("text", texts)] {
      for region in regions { lines.append("  \(title) \(region.box.text): \(region.caption)") }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// The prompt that merges everything, by the rules of the paper's last stage.
  var summaryPrompt: String {
    var sections = ["Overall caption: \(caption)"]
    if !named.isEmpty { sections.append("Dense captions 1: \(Self.line(named))") }
    if !cells.isEmpty { sections.append("Dense captions 2: \(Self.line(cells))") }
    if !texts.isEmpty { sections.append("Texts: \(Self.line(texts))") }
    return """
      Several people described one picture; places are given as corners in shares of its width and height. Write one caption of it. \
      Tell what is going on, name the main objects with their attributes, and say how they lie to each other. Merge what is described \
      twice at one place, and texts that belong to one sentence. Leave out single letters. Use fewer than six sentences, and no \
      numbers or coordinates.
      \(sections.joined(separator: "\n"))
      """
  }
}
