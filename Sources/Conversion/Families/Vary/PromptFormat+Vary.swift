// SPDX-License-Identifier: Apache-2.0

/// The prompts of Vary and GOT-OCR2, to the character.
extension PromptFormat {
  /// Vary-tiny: Vicuna's turns (`run_opt_with_text.py`), or only the image (`plain`).
  package static let varyTiny: PromptFormat = {
    var format = vicuna
    let ask = { (question: String) in format.template.replacing("{question}", with: question) }
    format.tasks = [
      Task("ocr", ask("Provide the OCR results of this image.")), Task("plain", "<image>"),
      Task("detect", ask("Detect all objects in this image")),
    ]
    format.turnSeparator = ""
    return format
  }()

  /// The same for tokenizers that strip the white space around an image's tokens.
  package var withoutBlanksAroundImage: PromptFormat {
    var format = self
    func trimmed(_ text: String) -> String { text.replacing(" <image>\n", with: "<image>") }
    format.template = trimmed(template)
    format.tasks = tasks.map { Task($0.name, trimmed($0.template)) }
    return format
  }

  /// MPT turns: no line break after `<|im_end|>`.
  private static func turns(_ question: String) -> String { "{system}<|im_start|>user\n\(question)<|im_end|><|im_start|>assistant\n" }

  private static func vary(separator: String) -> PromptFormat {
    func ask(_ question: String) -> String { turns("<image>" + separator + question) }
    return PromptFormat(
      system: "<|im_start|>system\nYou should follow the instructions carefully and explain your answers in detail.<|im_end|>",
      template: ask("{question}"), turnSeparator: "<|im_end|>", stop: ["<|im_end|>"],
      tasks: [
        Task("ocr", ask("Provide the ocr results of this image.")), Task("markdown", ask("Convert the image to markdown format.")),
        Task("chart", ask("Convert this chart to python-dict")), Task("detect", ask("Detect all objects in this image.")),
        Task("locate", ask("Detect the {question}")),
        Task("vqa", ask("Answer the following questions using a single word or phrase: {question}")),
      ])
  }

  /// Vary-base: nothing between the image and the question.
  package static let varyBase = vary(separator: "")
  /// Vary-toy: a line break there.
  package static let varyToy = vary(separator: "\n")

  /// GOT-OCR2. Its requests end with a space. Box and colour tasks take the box or colour as their question: `[x1, y1, x2, y2]` in
  /// thousandths of the sides, or `[red]`.
  /// - Parameter leadingBlank: transformers' processor adds a space before "OCR", and its documentation bans no n-grams; the original's
  ///   demonstration bans 20-grams.
  package static func got(leadingBlank: Bool) -> PromptFormat {
    func ask(_ question: String) -> String { turns("<image>\n" + question) }
    let ocr = leadingBlank ? " OCR" : "OCR"
    let placed = leadingBlank ? "{question}  OCR" : "{question} OCR"
    let boxed = "{question} OCR"
    var format = PromptFormat(
      system: "<|im_start|>system\nYou should follow the instructions carefully and explain your answers in detail.<|im_end|>",
      template: ask("{question}"), turnSeparator: "<|im_end|>", stop: ["<|im_end|>"],
      tasks: [
        Task("ocr", ask(ocr + ": ")), Task("format", ask(ocr + " with format: ")), Task("box", ask(boxed + ": ")),
        Task("box-format", ask(boxed + " with format: ")), Task("colour", ask(placed + ": ")),
        Task("colour-format", ask(placed + " with format: ")), Task("tiles", ask(ocr + " upon the patch reference: ")),
        Task("tiles-format", ask(ocr + " with format upon the patch reference: ")),
        Task("pages-format", ask(ocr + " with format across multi pages: ")),
      ], ngramBan: leadingBlank ? 0 : 20, joinsImages: true)
    format.turns = .none
    return format
  }
}
