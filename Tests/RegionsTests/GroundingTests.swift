// SPDX-License-Identifier: Apache-2.0
import Regions
import TestSupport
import Testing

@Suite struct GroundingTests {
  private func found(_ form: CoordinateForm, _ text: String) -> [String] {
    form.groundings(in: Array(text.utf8)).map { g in
      "\(String(decoding: g.phrase, as: UTF8.self))|\(g.isPoint ? "point " : "")\(g.x1) \(g.y1) \(g.x2) \(g.y2)"
    }
  }

  @Test func ferretsBoxesBelongToTheWordsBeforeThem() {
    #expect(found(.ferret, "There is a dog [100, 150, 300, 200].") == ["There is a dog|100.0 150.0 300.0 200.0"])
    #expect(
      found(.ferret, "A man, his hat [1, 2, 3, 4], and a red car [5,6,7,8]; nothing else. A tree[ 9 , 9 , 10 , 10 ]")
        == ["his hat|1.0 2.0 3.0 4.0", "a red car|5.0 6.0 7.0 8.0", "A tree|9.0 9.0 10.0 10.0"])
    #expect(found(.ferret, "two cups [1, 2, 3, 4], [5, 6, 7, 8] and [9, 9, 9, 9]").map { $0.prefix(8) } == ["two cups", "two cups", "two cups"])
    #expect(found(.ferret, "[0.5, 2.25, 30, 4]") == ["|0.5 2.25 30.0 4.0"])
    #expect(found(.ferret, "the centre [500, 400]") == ["the centre|point 500.0 400.0 500.0 400.0"])
    // Corners in the wrong order are put right.
    #expect(found(.ferret, "x [30, 40, 10, 20]") == ["x|10.0 20.0 30.0 40.0"])
    #expect(found(.ferret, "Mr. Green of 3.5 m [1, 2, 3, 4]") == ["Green of 3.5 m|1.0 2.0 3.0 4.0"])
  }

  @Test(arguments: [
    "", "[", "[1, 2, 3", "[1, 2, 3]", "[1, 2, 3, 4, 5]", "[a, b, c, d]", "[-1, 2, 3, 4]", "[]", "[[[[", "[1, 2, 3, 4",
    "[1 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18]",
  ]) func whatIsNoPlaceIsLeftAlone(_ text: String) {
    #expect(found(.ferret, text).isEmpty)
  }

  @Test func qwensBoxesBelongToTheReferenceBeforeThem() {
    #expect(
      found(.qwen, "<ref>the dog</ref><box>(100,150),(300,200)</box> and <ref>cats</ref><box>(1,2),(3,4)</box><box>(5,6),(7,8)</box>")
        == ["the dog|100.0 150.0 300.0 200.0", "cats|1.0 2.0 3.0 4.0", "cats|5.0 6.0 7.0 8.0"])
    #expect(found(.qwen, "<box>(5, 6)</box>") == ["|point 5.0 6.0 5.0 6.0"])
    #expect(found(.qwen, "<ref>sign</ref><quad>(10,20),(30,18),(32,40),(9,41)</quad>") == ["sign|9.0 18.0 32.0 41.0"])
    for text in ["<box>", "<box>(1,2)", "<box></box>", "<box>(1,2),(3</box>", "<ref>x</ref>", "<box>(a,b),(c,d)</box>", "</box><box>"] {
      #expect(found(.qwen, text).isEmpty, "\(text)")
    }
  }

  @Test func placesOfDocTagsBelongToTheirElement() {
    let text =
      "<doctag><title><loc_50><loc_30><loc_450><loc_500>A title</title>\n<picture><loc_1><loc_2><loc_3><loc_4><pie_chart></picture>"
      + "<loc_9><loc_8><loc_7><loc_6>x"
    #expect(
      found(.docTags, text) == ["A title|100.0 60.0 900.0 1000.0", "picture|2.0 4.0 6.0 8.0", "x|14.0 12.0 18.0 16.0"])
    let place = CoordinateForm.docTags.groundings(in: Array(text.utf8))[0].range
    #expect(String(decoding: Array(text.utf8)[place], as: UTF8.self) == "<title><loc_50><loc_30><loc_450><loc_500>")
    for text in ["<loc_1><loc_2><loc_3>", "<loc_1><loc_2><x><loc_3><loc_4>", "<loc_>", "<", "<loc_1", "<loc_1><loc_2><loc_3><loc_1234>"] {
      #expect(found(.docTags, text).isEmpty, "\(text)")
    }
  }

  @Test func deepSeeksBoxesBelongToTheReferenceBeforeThem() throws {
    #expect(
      found(
        .deepSeek,
        "<|ref|>title<|/ref|><|det|>[[33, 41, 967, 60]]<|/det|>\n# A [1, 2, 3, 4]\n"
          + "<|ref|>image<|/ref|><|det|>[[5, 6, 7, 8], [9,9,1,2]]<|/det|>")
        == ["title|33.0 41.0 967.0 60.0", "image|5.0 6.0 7.0 8.0", "image|1.0 2.0 9.0 9.0"])
    #expect(found(.deepSeek, "<|det|>[1, 2, 3, 4]<|/det|>") == ["|1.0 2.0 3.0 4.0"])
    for text in [
      "<|det|>", "<|det|>[[1, 2, 3]]<|/det|>", "<|det|>[[1, 2, 3, 4<|/det|>", "<|det|>[[1, 2, 3, 4", "<|ref|>a<|/ref|>[[1, 2, 3, 4]]",
      "<|det|><|/det|>[1, 2, 3, 4]",
    ] { #expect(found(.deepSeek, text).isEmpty, "\(text)") }
    // 999 is the whole side.
    #expect(CoordinateForm.deepSeek.pixels(999, of: 1500) == 1500 && CoordinateForm.deepSeek.pixels(333, of: 999) == 333)
    let area = try RegionArea(Region(.box(.init(x: 0, y: 100), .init(x: 998, y: 199))), width: 999, height: 400, name: "r")
    #expect(String(decoding: CoordinateForm.deepSeek.text(area), as: UTF8.self).hasPrefix("<|det|>[[0, 250, 99"))
  }

  @Test func rangesSpanThePhraseAndItsCoordinates() {
    let text = Array("Yes: a dog [1, 2, 3, 4].".utf8)
    let place = CoordinateForm.ferret.groundings(in: text)
    #expect(place.map { String(decoding: text[$0.range], as: UTF8.self) } == ["a dog [1, 2, 3, 4]"])
  }

  /// Whatever bytes come, nothing traps and every range lies in the text.
  @Test func anyBytesAreReadOrLeftAlone() {
    var numbers = Numbers(seed: 5)
    let alphabet = Array("[](),.0123456789 and<box></ref><loc_|det|\u{0}é".utf8)
    for form in [CoordinateForm.ferret, .qwen, .docTags, .deepSeek] {
      for _ in 0..<3000 {
        let text = (0..<Int(numbers.bits() % 60)).map { _ in alphabet[Int(numbers.bits()) % alphabet.count] }
        for place in form.groundings(in: text) {
          #expect(place.range.lowerBound >= 0 && place.range.upperBound <= text.count && place.x1 <= place.x2 && place.y1 <= place.y2)
        }
      }
    }
  }

  /// A box given in pixels, echoed as the model's coordinate text, comes back within one step.
  @Test func boxesSurviveTheRoundTripForFiveHundredSizes() throws {
    var numbers = Numbers(seed: 21)
    for form in [CoordinateForm.ferret, .qwen, .docTags] {
      for _ in 0..<500 {
        let (width, height) = (1 + Int(numbers.bits() % 4000), 1 + Int(numbers.bits() % 4000))
        func place(_ side: Int) -> (Double, Double) {
          let (a, b) = (Double(numbers.bits() % UInt32(side)), Double(numbers.bits() % UInt32(side)))
          return (min(a, b), max(a, b))
        }
        let ((x1, x2), (y1, y2)) = (place(width), place(height))
        let area = try RegionArea(
          Region(.box(.init(x: x1, y: y1), .init(x: x2, y: y2))), width: width, height: height, name: "r")
        let text = Array("it is ".utf8) + form.text(area) + Array(".".utf8)
        let back = try #require(form.groundings(in: text).first)
        for (thousandths, side, pixel) in [(back.x1, width, x1), (back.y1, height, y1), (back.x2, width, x2), (back.y2, height, y2)] {
          let found = form.pixels(thousandths, of: side)
          // DocTags rounds, and has no number for the last edge.
          let isClose = form == .docTags ? abs(pixel - found) <= Double(side) / 500 : found <= pixel && pixel - found < Double(side) / 1000
          #expect(isClose, "\(width) × \(height): \(pixel) came back as \(found)")
        }
      }
    }
  }
}
