// SPDX-License-Identifier: Apache-2.0
import Conversion
import Families
import Generation
import Images
import Testing
import WeightFile

/// Prompts as the published demonstrations of Vary and GOT-OCR2 build them.
@Suite struct VaryPromptTests {
  private static let system =
    "<|im_start|>system\nYou should follow the instructions carefully and explain your answers in detail.<|im_end|><|im_start|>user\n"
  private static let end = "<|im_end|><|im_start|>assistant\n"

  private func model(_ name: String) throws -> Model {
    let folder = try TemporaryFolder()
    var options = Converter.Options()
    options.type = .f32
    _ = try Converter(OpenCheckpoint(path: Fixture.checkpoint(name)), options: options).write(to: folder.path + "/m.fovea")
    return try Model.load(path: folder.path + "/m.fovea", options: LoadOptions())
  }

  private func prompt(_ model: Model, _ task: String, _ question: String = "", images: Int = 1) throws -> String {
    let text = try model.system.template.prompt(task: Array(task.utf8), question: Array(question.utf8), images: images)
    return String(decoding: text, as: UTF8.self)
  }

  @Test func gotAsksAsItsDemonstration() throws {
    let model = try model("got")
    #expect(try prompt(model, "ocr") == Self.system + "<image>\nOCR: " + Self.end)
    #expect(try prompt(model, "format") == Self.system + "<image>\nOCR with format: " + Self.end)
    #expect(try prompt(model, "box", "[12, 34, 500, 600]") == Self.system + "<image>\n[12, 34, 500, 600] OCR: " + Self.end)
    #expect(try prompt(model, "colour-format", "[red]") == Self.system + "<image>\n[red] OCR with format: " + Self.end)
    #expect(
      try prompt(model, "tiles-format") == Self.system + "<image>\nOCR with format upon the patch reference: " + Self.end)
    // One span for all pages.
    #expect(
      try prompt(model, "pages-format", images: 3)
        == Self.system + "<image><image><image>\nOCR with format across multi pages: " + Self.end)
    #expect(model.system.template.ngramBan == 20)
    let ends = try ["<|im_end|>", "<|endoftext|>"].map { try #require(model.system.tokenizer.id(of: Array($0.utf8))) }
    #expect(Set(model.system.endIds) == Set(ends))
  }

  @Test func transformersPutsABlankInFront() throws {
    let model = try model("got_hf")
    #expect(try prompt(model, "ocr") == Self.system + "<image>\n OCR: " + Self.end)
    #expect(try prompt(model, "colour", "[red]") == Self.system + "<image>\n[red]  OCR: " + Self.end)
    #expect(try prompt(model, "box", "[1, 2, 3, 4]") == Self.system + "<image>\n[1, 2, 3, 4] OCR: " + Self.end)
    #expect(model.system.template.ngramBan == 0)
  }

  @Test func varyAsksAsItsDemonstrations() throws {
    let toy = try model("vary_toy")
    #expect(try prompt(toy, "ocr") == Self.system + "<image>\nProvide the ocr results of this image." + Self.end)
    // Its tokenizer takes the blanks around the image's tokens away.
    let tiny = try model("vary_tiny")
    #expect(
      try prompt(tiny, "ocr")
        == PromptFormat.vicuna.system + " USER:<image>Provide the OCR results of this image. ASSISTANT:")
    #expect(try prompt(tiny, "plain") == "<image>")
    #expect(tiny.system.beginId == 2 && tiny.system.endIds == [2])
  }

  @Test func pagesBesideEachOtherAreOneSpan() throws {
    let model = try model("got")
    let image = try RGBImage.decode(path: Fixture.path("checkpoints/got/image.png"))
    let page = try model.encode(image)
    let session = try Session(model)
    func positions(_ prompt: String, _ images: [ImageEmbedding]) throws -> Int {
      var count = 0
      try session.logits(prompt: Array(prompt.utf8), images: images, options: .raw) { _, rows in count = rows }
      return count
    }
    #expect(page.tokens == 6)
    #expect(try positions("<image><image><image>", [page, page, page]) == 3 * 4 + 2)
    #expect(try positions("<image> <image>", [page, page]) == 2 * 6 + 1)
    // The tiles of an image, then the whole of it, are what their pictures would be as pages.
    let wide = try image.resized(width: 256, height: 128, filter: .bicubic)
    let tiled = try model.encode(wide, tiles: 6)
    #expect(tiled.tokens == 3 * 4 + 2 && tiled.views.map(\.firstToken) == [1, 5, 9] && tiled.views.map(\.column) == [0, 1, -1])
    let pieces = try [wide.cropped(x: 0, y: 0, width: 128, height: 128), wide.cropped(x: 128, y: 0, width: 128, height: 128), wide]
      .map { try model.encode($0) }
    func logits(_ prompt: String, _ images: [ImageEmbedding]) throws -> [Float] {
      var values: [Float] = []
      try session.logits(prompt: Array(prompt.utf8), images: images, options: .raw) { found, _ in values = Array(found) }
      return values
    }
    let (together, apart) = (try logits("<image>\nOCR", [tiled]), try logits("<image><image><image>\nOCR", pieces))
    #expect(!together.isEmpty && together == apart)
    #expect(throws: FoveaError.self) { try model.encode(wide, tiles: 65) }
  }
}
