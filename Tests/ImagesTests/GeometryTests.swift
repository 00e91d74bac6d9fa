// SPDX-License-Identifier: Apache-2.0

import Images
import Testing

@Suite struct GeometryTests {
  /// Sizes, pixels and every bit of every float, after resize, crop and normalisation.
  @Test func clipPreprocessingAgreesWithTransformers() throws {
    let rows = try Fixture.table("clip.txt")
    #expect(rows.count > 30)
    for row in rows {
      let n = try row[0...5].map { try #require(Int($0)) }
      let size = try ShortestEdge.size(width: n[0], height: n[1], edge: n[2])
      #expect([size.width, size.height] == [n[4], n[5]])
      let image = try RGBImage.picture(width: n[0], height: n[1])
      let middle = try image.picture(.shortestEdge(image.size, edge: n[2], width: n[3], height: n[3]))
      var values = [Float](repeating: .nan, count: 3 * n[3] * n[3])
      values.withUnsafeMutableBufferPointer { middle.normalise(into: $0.baseAddress!, .clip) }
      #expect(values.withUnsafeBytes { fnv($0) } == row[6], "\(row.joined(separator: " "))")
    }
  }

  @Test func squarePaddingAgreesWithPillow() throws {
    for row in try Fixture.table("square.txt") {
      let image = try RGBImage.picture(width: #require(Int(row[0])), height: #require(Int(row[1])))
      let side = max(image.width, image.height)
      #expect(try image.picture(.paddedToSquare(image.size, side: side, colour: RGBColour(122, 116, 104))).hash == row[2])
    }
  }

  @Test func aCropOfAPasteIsTheImageAgain() throws {
    let image = try RGBImage.picture(width: 7, height: 5)
    let canvas = try image.pasted(onWidth: 12, height: 9, x: 3, y: 4, colour: RGBColour(1, 2, 3))
    #expect(try canvas.cropped(x: 3, y: 4, width: 7, height: 5).hash == image.hash)
    #expect(canvas[2, 4] == RGBColour(1, 2, 3) && canvas[10, 8] == RGBColour(1, 2, 3) && canvas[3, 3] == RGBColour(1, 2, 3))
  }

  @Test func callersPixelsAreReadWithTheirStride() throws {
    let bytes = [UInt8](0..<40)
    let image = try RGBImage(rgb: bytes, width: 2, height: 3, stride: 15)
    #expect(image[1, 0] == RGBColour(3, 4, 5))
    #expect(image[0, 2] == RGBColour(30, 31, 32))
  }

  @Test func rectanglesThatDoNotFitAreErrors() throws {
    let image = try RGBImage(width: 4, height: 3, colour: .black)
    for (x, y, w, h) in [(-1, 0, 2, 2), (0, 0, 5, 1), (3, 0, 2, 1), (0, 3, 1, 1), (0, 0, 0, 1), (Int.max, 0, 1, 1), (0, 0, 1, Int.max)] {
      #expect(throws: ImageError.self) { try image.cropped(x: x, y: y, width: w, height: h) }
    }
    for (x, y, w, h) in [(-1, 0, 9, 9), (6, 0, 9, 9), (0, 0, 3, 3), (Int.max, 0, Int.max, 9), (0, 0, Int.min, 9)] {
      #expect(throws: ImageError.self) { try image.pasted(onWidth: w, height: h, x: x, y: y, colour: .black) }
    }
  }

  @Test func sizesAndStridesWithoutMeaningAreErrors() throws {
    let bytes = [UInt8](repeating: 0, count: 64)
    for (w, h, stride) in [(0, 1, 0), (1, 0, 0), (-1, 1, 0), (4, 1, 11), (4, 2, -12), (Int.max, Int.max, 0), (1, 2, Int.max), (1 << 20, 1 << 20, 0)] {
      #expect(throws: ImageError.self) { try RGBImage(rgb: bytes, width: w, height: h, stride: stride) }
    }
    let image = try RGBImage(rgb: bytes, width: 4, height: 4)
    for (w, h) in [(0, 1), (1, 0), (-1, 5), (1 << 31, 1), (1, 1 << 31), (1 << 40, 1), (Int.max, Int.max)] {
      for filter in [ResampleFilter.box, .bicubic] {
        #expect(throws: ImageError.self) { try image.resized(width: w, height: h, filter: filter) }
      }
      #expect(throws: ImageError.self) { try PicturePlan.shortestEdge(image.size, edge: 2, width: w, height: h) }
      #expect(throws: ImageError.self) { try RGBImage(width: w, height: h, colour: .black) }
    }
    #expect(throws: ImageError.self) { try PicturePlan.shortestEdge(image.size, edge: 0, width: 2, height: 2) }
  }

  @Test func partsShareTheirImagesPixels() throws {
    let image = try RGBImage.picture(width: 9, height: 7)
    let part = try RGBImage(partOf: image, x: 2, y: 3, width: 4, height: 2)
    #expect(part[0, 0] == image[2, 3] && part[3, 1] == image[5, 4] && part.stride == image.stride)
    var ofPart = [Float](repeating: 0, count: 24), ofCrop = ofPart
    ofPart.withUnsafeMutableBufferPointer { part.normalise(into: $0.baseAddress!, .clip) }
    let crop = try image.cropped(x: 2, y: 3, width: 4, height: 2)
    ofCrop.withUnsafeMutableBufferPointer { crop.normalise(into: $0.baseAddress!, .clip) }
    #expect(ofPart == ofCrop)
  }
}
