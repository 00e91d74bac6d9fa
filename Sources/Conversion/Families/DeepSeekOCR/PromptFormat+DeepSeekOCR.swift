// SPDX-License-Identifier: Apache-2.0

extension PromptFormat {
  /// DeepSeek-OCR's prompts, to the character: no roles, the image, a line break and the request. 30-grams do not occur twice within 90
  /// tokens, except for table cell tags.
  static let deepSeekOCR: PromptFormat = {
    func ask(_ question: String) -> String { "<image>\n" + question }
    return PromptFormat(
      system: "", template: ask("{question}"), turnSeparator: "", stop: [],
      tasks: [
        Task("markdown", ask("<|grounding|>Convert the document to markdown.")), Task("ocr", ask("Free OCR.")),
        Task("ocr-layout", ask("<|grounding|>OCR this image.")), Task("figure", ask("Parse the figure.")),
        Task("describe", ask("Describe this image in detail.")), Task("locate", ask("Locate <|ref|>{question}<|/ref|> in the image.")),
      ], ngramBan: 30, ngramWindow: 90, ngramAllowed: ["<td>", "</td>"])
  }()

  /// DeepSeek-OCR 2's: the same requests, 20-grams.
  static let deepSeekOCR2: PromptFormat = {
    var format = deepSeekOCR
    format.ngramBan = 20
    return format
  }()
}
