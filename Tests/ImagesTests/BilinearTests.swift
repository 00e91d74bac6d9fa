// SPDX-License-Identifier: Apache-2.0

import Images
import Testing

@Suite struct BilinearTests {
  @Test func givesOpenCVsPixels() throws {
    let rows = try Fixture.table("opencv.txt")
    #expect(rows.count == 16)
    for row in rows {
      let size = try [1, 2, 3, 4].map { try #require(Int(row[$0])) }
      let image = try RGBImage.picture(width: size[0], height: size[1], binary: row[0] == "binary")
      let resized = try image.picture(.stretchedLinear(width: size[2], height: size[3]))
      #expect(resized.hash == row[5], "\(row.joined(separator: " "))")
    }
  }

  @Test func refusesImpossibleSizes() throws {
    let image = try RGBImage(width: 2, height: 2, colour: .black)
    for (w, h) in [(0, 5), (5, -1), (1 << 31, 1)] {
      #expect(throws: ImageError.self) { try image.picture(.stretchedLinear(width: w, height: h)) }
    }
  }
}

@Suite struct TileGridTests {
  @Test func choosesAsTheReference() throws {
    let rows = try Fixture.numbers("tile_grids.txt")
    #expect(rows.count == 44)
    for row in rows {
      let grid = try TileGrid(width: row[0], height: row[1], mostTiles: row[2], tile: 1024)
      #expect(grid.columns == row[3] && grid.rows == row[4], "\(row)")
    }
  }

  @Test func pagesAreCutAndPaddedAsTheReference() throws {
    let rows = try Fixture.numbers("pages.txt")
    #expect(rows.count > 550)
    for r in rows {
      let grid = try TileGrid(width: r[0], height: r[1], leastTiles: 2, mostTiles: 9, tile: 640)
      #expect(grid.columns == r[2] && grid.rows == r[3], "\(r)")
      let fit = try CanvasFit(padding: ImageSize(width: r[4], height: r[5]), toSquareOf: r[6])
      #expect([fit.x, fit.y, fit.width, fit.height] == Array(r[7...]) && fit.canvasWidth == r[6] && fit.canvasHeight == r[6], "\(r)")
    }
    // Pillow refuses what would have no pixel left.
    let fit = try CanvasFit(padding: ImageSize(width: 1, height: 5000), toSquareOf: 64)
    #expect(fit.width == 1 && fit.height == 64)
  }

  @Test func refusesWrongNumbers() {
    #expect(throws: ImageError.self) { try TileGrid(width: 10, height: 10, leastTiles: 2, mostTiles: 1, tile: 640) }
    for most in [0, -1, 65] {
      #expect(throws: ImageError.self) { try TileGrid(width: 10, height: 10, mostTiles: most, tile: 1024) }
    }
  }
}
