// SPDX-License-Identifier: Apache-2.0
import DocTags
import Testing

/// What makes one document of pages: the text a page holds, figures, lines that pages repeat.
@Suite struct DocumentTests {
  private func layer(_ words: [(text: String, top: Int, height: Int)]) -> String {
    let blocks = words.map { word in
      let box = "xMin=\"50\" yMin=\"\(word.top)\" xMax=\"300\" yMax=\"\(word.top + word.height)\""
      return "<block \(box)><line \(box)><word \(box)>\(word.text)</word></line></block>"
    }
    return "<doc><page width=\"500\" height=\"1000\"><flow>" + blocks.joined() + "</flow></page></doc>"
  }

  @Test func thePagesOwnTextHasHeadingsAndPlaces() {
    let text = TextLayer(layer([("A &amp; B", 100, 24), ("Some words of the text that is long enough", 200, 10), ("and more of it", 300, 10)]))
    #expect(text.isUsable)
    #expect(text.elements.map(\.kind) == ["section_header", "text", "text"])
    #expect(text.elements[0].text == "A & B")
    #expect(text.elements[1].box == .init(left: 50, top: 100, right: 300, bottom: 105))
  }

  @Test func entitiesOfPopplerAreSigns() {
    let text = TextLayer(layer([("&lt;a&gt; &quot;b&quot; &apos;c&apos; d&amp;e &amp;apos;", 100, 10)]))
    #expect(text.elements.map(\.text) == ["<a> \"b\" 'c' d&e &apos;"])
  }

  /// Boxes are those of the turned page, the size is not.
  @Test func aTurnedPageHasPlacesAsItIsShown() {
    let text = TextLayer(layer([("Some words", 200, 50)]), isTurned: true)
    #expect(text.width == 1000 && text.height == 500)
    #expect(text.elements[0].box == .init(left: 25, top: 200, right: 150, bottom: 250))
  }

  @Test(arguments: [
    "", "<page", "<page width=\"nan\" height=\"-1\"><block ><line><word>", "<word>a</word><line ><block xMin=\"1e999\">", "<<<>>>\"\"",
  ])
  func anythingIsRead(xml: String) {
    let text = TextLayer(xml)
    #expect(!text.isUsable)
    _ = text.elements
    _ = FigureAreas.find(columns: 3, rows: 2, texts: [.init(left: 400, top: 900, right: -5, bottom: -900)]) { _, _ in true }
  }

  @Test func signsWithoutMeaningAreNoText() {
    #expect(!TextLayer(layer([(String(repeating: "\u{E001}", count: 30) + "some letters beside them", 100, 10)])).isUsable)
  }

  @Test func aFigureIsWhatIsPrintedBesideTheText() {
    let found = FigureAreas.find(columns: 100, rows: 129, texts: [.init(left: 0, top: 0, right: 500, bottom: 20)]) { x, y in
      y < 5 || (x > 20 && x < 60 && y > 50 && y < 80) || y == 100
    }
    #expect(found == [.init(left: 105, top: 197, right: 300, bottom: 310)])
    var elements = [DocTagsElement(kind: "text", box: .init(left: 0, top: 0, right: 500, bottom: 20), text: "above")]
    elements.append(DocTagsElement(kind: "text", box: .init(left: 0, top: 400, right: 500, bottom: 420), text: "below"))
    FigureAreas.insert(found, into: &elements)
    #expect(elements.map(\.kind) == ["text", "picture", "text"])
    elements[1].file = "x.figures/page-0001-1.png"
    #expect(DocTags(elements: elements).markdown == "above\n\n![figure](x.figures/page-0001-1.png)\n\nbelow")
    #expect(DocTags(elements: elements).html.contains("<img src=\"x.figures/page-0001-1.png\" alt=\"figure\">"))
  }

  @Test func repeatedLinesBecomeHeadersAndFooters() {
    var pages = (1...4).map { [DocTagsElement(kind: "text", text: "The Mill\nBody of \($0) and\nmore\n- \($0) -")] }
    pages[3] = [DocTagsElement(kind: "text", text: "Another\nbeginning")]
    RepeatedLines.mark(&pages)
    #expect(pages[0].map(\.kind) == ["page_header", "text", "page_footer"])
    #expect(pages[0][1].text == "Body of 1 and\nmore")
    #expect(pages[3] == [DocTagsElement(kind: "text", text: "Another\nbeginning")])
  }

  @Test func theOnlyLineOfAPageIsItsText() {
    var pages = Array(repeating: [DocTagsElement(kind: "text", text: "The same answer")], count: 3)
    RepeatedLines.mark(&pages)
    #expect(pages.allSatisfy { $0.map(\.kind) == ["text"] })
  }

  @Test(arguments: ["| @ | 21.50 | 9 |", "@ 21.50 9", "21.@", "@ %", "$ @", "200 000 @", "123456@", "| Name | @ |"])
  func rowsOfTablesStay(row: String) {
    let rows = (1...4).map { row.replacing("@", with: "\($0)") }
    var pages = rows.map { [DocTagsElement(kind: "text", text: "\($0)\nwords between\n\($0)")] }
    let before = pages
    RepeatedLines.mark(&pages)
    #expect(pages == before)
    let box = DocTagsElement.Box(left: 50, top: 20, right: 450, bottom: 30)
    var placed = rows.map { [DocTagsElement(kind: "text", box: box, text: $0)] }
    RepeatedLines.mark(&placed)
    #expect(placed.allSatisfy { $0[0].kind == "text" })
  }

  @Test(arguments: ["@", "- @ -", "[@]", "**@**", "@ / 12", "@/12"])
  func numbersOfPagesAreFound(footer: String) {
    var pages = (1...4).map { n in
      [DocTagsElement(kind: "text", text: "Body of \("abcd".prefix(n))\n" + footer.replacing("@", with: "\(n)"))]
    }
    RepeatedLines.mark(&pages)
    #expect(pages.allSatisfy { $0.map(\.kind) == ["text", "page_footer"] })
  }

  @Test func pageNumbersWithWordsAreFound() {
    var pages = (8...11).map { n in
      [
        DocTagsElement(kind: "text", box: .init(left: 50, top: 20, right: 450, bottom: 30), text: n % 2 == 0 ? "Left title" : "Right title"),
        DocTagsElement(kind: "text", box: .init(left: 50, top: 220, right: 450, bottom: 230), text: "The same sentence."),
        DocTagsElement(kind: "text", box: .init(left: 50, top: 480, right: 450, bottom: 490), text: "Page \(n) of 12"),
      ]
    }
    RepeatedLines.mark(&pages)
    #expect(pages.allSatisfy { $0[2].kind == "page_footer" && $0[1].kind == "text" })
    // Twice each is not enough.
    #expect(pages.allSatisfy { $0[0].kind == "text" })
  }
}
