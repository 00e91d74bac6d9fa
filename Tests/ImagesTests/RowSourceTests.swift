// SPDX-License-Identifier: Apache-2.0

import Images
import Testing

/// An image as a file of any orientation would give it.
final class TurnedRows: RowSource {
  let rows: PixelRows
  let orientation: Orientation
  var name: String { "turned" }
  var storedWidth: Int { rows.storedWidth }
  var storedHeight: Int { rows.storedHeight }
  let workingBytes: Int

  init(_ image: RGBImage, _ orientation: Orientation, workingBytes: Int = 0) {
    rows = PixelRows(image)
    self.orientation = orientation
    self.workingBytes = workingBytes
  }

  func start(isStopped: @escaping () -> Bool) throws(ImageError) { try rows.start(isStopped: isStopped) }
  func next() throws(ImageError) -> UnsafePointer<UInt8> { try rows.next() }
}

@Suite struct RowSourceTests {
  /// Pictures of a turned image, made while it is read, are those of the image turned first; padding and cropping as arithmetic give
  /// what padding and cropping pixels give.
  @Test func onePassGivesThePixelsOfTheWholeImage() throws {
    var random = SeededGenerator(state: 0x5EED_1234)
    for _ in 0..<120 {
      let stored = try RGBImage.picture(width: .random(in: 1...90, using: &random), height: .random(in: 1...90, using: &random))
      let exif = Int.random(in: 1...8, using: &random)
      let filter = [ResampleFilter.box, .bilinear, .bicubic].randomElement(using: &random)!
      let (w, h) = (Int.random(in: 1...70, using: &random), Int.random(in: 1...70, using: &random))
      let source = TurnedRows(stored, Orientation(exif: exif))
      let upright = try source.image()
      let size = source.size
      #expect(upright.size == size)
      let fit = try CanvasFit(width: size.width, height: size.height, canvasWidth: w, canvasHeight: h)
      let colour = RGBColour(9, 80, 200)
      let made = try source.pictures([
        .stretched(size, width: w, height: h, filter: filter), .fitted(size, fit, colour: colour, filter: filter),
        .paddedToSquare(size, side: w, colour: colour, filter: filter),
        .shortestEdge(size, edge: h, width: w, height: w, filter: filter), .stretchedLinear(width: w, height: h),
      ])

      let edge = max(size.width, size.height)
      let square = try upright.pasted(
        onWidth: edge, height: edge, x: (edge - size.width) / 2, y: (edge - size.height) / 2, colour: colour)
      let short = try ShortestEdge.size(width: size.width, height: size.height, edge: h)
      let scaled = try upright.resized(width: short.width, height: short.height, filter: filter)
      let (iw, ih) = (min(w, short.width), min(w, short.height))
      let inside = try scaled.cropped(x: (short.width - iw) / 2, y: (short.height - ih) / 2, width: iw, height: ih)
      let expected = [
        try upright.resized(width: w, height: h, filter: filter),
        try upright.resized(width: fit.width, height: fit.height, filter: filter)
          .pasted(onWidth: w, height: h, x: fit.x, y: fit.y, colour: colour),
        try square.resized(width: w, height: w, filter: filter),
        try inside.pasted(onWidth: w, height: w, x: (w - iw + 1) / 2, y: (w - ih + 1) / 2, colour: .black),
        try upright.picture(.stretchedLinear(width: w, height: h)),
      ]
      for (i, pair) in zip(made, expected).enumerated() {
        #expect(pair.0.hash == pair.1.hash, "plan \(i), \(size), orientation \(exif), to \(w) × \(h)")
      }
    }
  }

  @Test(arguments: 1...8) func aPartIsThatOfTheUprightPicture(exif: Int) throws {
    var random = SeededGenerator(state: 0x5EED_4321)
    for _ in 0..<30 {
      let stored = try RGBImage.picture(width: .random(in: 1...40, using: &random), height: .random(in: 1...40, using: &random))
      let whole = TurnedRows(stored, Orientation(exif: exif), workingBytes: 77)
      let (x, y) = (Int.random(in: 0..<whole.size.width, using: &random), Int.random(in: 0..<whole.size.height, using: &random))
      let w = Int.random(in: 1...whole.size.width - x, using: &random), h = Int.random(in: 1...whole.size.height - y, using: &random)
      let part = try CroppedRows(whole, x: x, y: y, width: w, height: h)
      #expect(part.size == ImageSize(width: w, height: h) && part.workingBytes == 77)
      #expect(try part.image().hash == whole.image().cropped(x: x, y: y, width: w, height: h).hash)
    }
    let whole = TurnedRows(try RGBImage.picture(width: 30, height: 20), Orientation(exif: exif))
    let (w, h) = (whole.size.width, whole.size.height)
    for (x, y, width, height) in [(-1, 0, 3, 3), (0, 0, w + 1, h), (0, 0, w, h + 1), (w, 0, 1, 1), (0, 0, 0, 0), (0, Int.max, 1, Int.max)] {
      let error = #expect(throws: ImageError.self) { try CroppedRows(whole, x: x, y: y, width: width, height: height) }
      #expect(error?.description.contains("turned: has \(w) × \(h) pixels; the crop") == true)
    }
  }

  @Test func aStripPaddedToASquareTakesNoSquare() throws {
    let strip = try RGBImage.picture(width: 32767, height: 1)
    let pictures = try PixelRows(strip).pictures(
      [.paddedToSquare(strip.size, side: 336, colour: .white), .shortestEdge(strip.size, edge: 336, width: 336, height: 336)],
      room: 4 << 20)
    #expect(pictures[0][0, 0] == .white && pictures[0].width == 336 && pictures[1].height == 336)
  }

  @Test func whatIsBeyondTheRoomIsRefusedFirst() throws {
    let image = try RGBImage.picture(width: 40, height: 30)
    let plan = try PicturePlan.stretched(image.size, width: 20, height: 20)
    for (held, room) in [(0, 1000), (1 << 30, 1 << 20)] {
      let error = #expect(throws: ImageError.self) {
        try TurnedRows(image, .upright, workingBytes: held).pictures([plan], room: room)
      }
      guard case .overBudget(_, 40, 30, _, room)? = error else {
        Issue.record("\(error?.description ?? "no error")")
        continue
      }
    }
    // What holds all its pixels says how many bytes that takes; what comes row by row asks for no such room.
    for options in [DecodingOptions(room: 1000), DecodingOptions(heldRoom: 1000)] {
      for name in ["colour6_depth8_interlaced.png", "colour_420_37x29_progressive.jpg"] {
        let error = try #require(throws: ImageError.self) { try RGBImage.decode(path: Fixture.path(name), options: options) }
        guard case .overBudget(_, _, _, _, 1000) = error else {
          Issue.record("\(error.description)")
          continue
        }
      }
    }
    _ = try RGBImage.decode(path: Fixture.path("colour2_depth8.png"), options: DecodingOptions(heldRoom: 1000))
  }

  @Test func workEndsWhenAskedTo() throws {
    for name in ["colour2_depth8.png", "colour2_depth8_interlaced.png", "colour_420_37x29.jpg", "colour_420_37x29_progressive.jpg"] {
      let size = try RGBImage.decode(path: Fixture.path(name)).size
      let plan = try PicturePlan.stretched(size, width: 300, height: 300)
      var asked = 0
      _ = try EncodedRows(path: Fixture.path(name)).pictures([plan]) {
        asked += 1
        return false
      }
      #expect(asked > 300)
      for stopAt in stride(from: 1, to: asked, by: 29) {
        var count = 0
        let error = #expect(throws: ImageError.self) {
          try EncodedRows(path: Fixture.path(name)).pictures([plan]) {
            count += 1
            return count >= stopAt
          }
        }
        guard case .stopped? = error else {
          Issue.record("\(name) at \(stopAt): \(error?.description ?? "no error")")
          continue
        }
      }
    }
  }

  @Test func theBoundForAKindHoldsForItsFiles() throws {
    for row in try Fixture.table("decode.txt") {
      let rows = try EncodedRows(path: Fixture.path(row[0])), file = try Fixture.bytes(row[0]).count
      let isPNG = row[0].hasSuffix(".png")
      // Only those that hold more than a few rows exceed the smaller bound.
      let (least, most): (PictureKind, PictureKind) = isPNG ? (.png, .interlacedPNG) : (.jpeg, .multiScanJPEG)
      let (width, height) = (rows.storedWidth, rows.storedHeight)
      #expect(rows.workingBytes - file <= most.workingBytes(width: width, height: height), "\(row[0])")
      if !row[0].contains("interlaced"), !row[0].contains("progressive") {
        #expect(rows.workingBytes - file <= least.workingBytes(width: width, height: height), "\(row[0])")
        if row[0].hasPrefix("colour_"), !isPNG {
          #expect(rows.workingBytes - file <= PictureKind.colourJPEG.workingBytes(width: width, height: height), "\(row[0])")
        }
      }
    }
  }

  @Test func sidesBeyondTheLimitAreNamed() throws {
    var png = try Fixture.bytes("colour2_depth8.png")
    png.replaceSubrange(16..<24, with: [0, 0x20, 0, 0, 0, 0, 0, 1])
    repairChecksums(&png)
    let error = try #require(throws: ImageError.self) { try decode(png) }
    #expect(error.description == "encoded image: has 2097152 × 1 pixels; a side may have 1048576.")
  }
}
