// SPDX-License-Identifier: Apache-2.0
import Families
import Fovea
import Schema
import TestSupport
import Testing
import WeightFile

@Suite struct PromptTests {
  private func template(_ body: (PromptTemplate) throws -> Void) throws {
    let tiny = try TinyModel()
    defer { tiny.delete() }
    try body(PromptTemplate(PromptSettings(WeightFile(path: tiny.path).metadata)))
  }

  private func text(_ t: PromptTemplate, _ question: String, _ images: Int) -> String {
    String(decoding: t.prompt(question: Array(question.utf8), images: images), as: UTF8.self)
  }

  @Test func theTemplateTakesSystemImagesAndQuestion() throws {
    try template { t in
      #expect(text(t, "Q", 1) == "S. USER: <image>\nQ ASSISTANT:")
      #expect(text(t, "Q", 0) == "S. USER: Q ASSISTANT:")
      #expect(text(t, "Q", 2) == "S. USER: <image>\n<image>\nQ ASSISTANT:")
      #expect(text(t, "a <image> b", 1) == "S. USER: a <image> b ASSISTANT:")
      #expect(text(t, "{system}{question}", 0) == "S. USER: {system}{question} ASSISTANT:")
    }
  }

  @Test func tasksAreChosenByName() throws {
    try template { t in
      func task(_ name: String, _ question: String, _ images: Int) throws -> String {
        String(decoding: try t.prompt(task: Array(name.utf8), question: Array(question.utf8), images: images), as: UTF8.self)
      }
      #expect(try task("caption", "", 1) == "<image> Describe: ")
      #expect(try task("bare", "Q ", 2) == "<image><image>Q ")
      for (name, question, words) in [("caption", "Q", "takes no question"), ("verse", "", "it has caption, bare")] {
        do {
          _ = try task(name, question, 1)
          Issue.record("no error, expected one that says: \(words)")
        } catch let error as FoveaError { #expect(error.status == .argument && error.message.contains(words), "\(error.message)") }
      }
    }
  }

  @Test func textIsCutAtMarks() {
    let parts = PromptTemplate.split(Array("a<image><image>b".utf8))
    #expect(parts == [Array("a".utf8), [], Array("b".utf8)])
    #expect(PromptTemplate.split([]) == [[]])
    #expect(PromptTemplate.split(Array("<imag<image".utf8)).count == 1)
  }
}
