// SPDX-License-Identifier: Apache-2.0
import Families
import Generation
import Images
import TestSupport
import Testing

@Suite struct HiResLLaVATests {
  private func vectors(_ tiny: TinyModel, _ image: RGBImage) throws -> (ImageEmbedding, [Float]) {
    let model = try Model.load(path: tiny.path, options: LoadOptions(threads: 2))
    let e = try model.encode(image)
    return (e, Array(UnsafeBufferPointer(start: e.data, count: e.tokens * e.hiddenSize)))
  }

  @Test(arguments: [(32, 32, 1, 1), (33, 32, 1, 2), (64, 64, 2, 2), (70, 20, 1, 3), (20, 70, 3, 1), (200, 200, 3, 3), (500, 30, 1, 9)])
  func anImageBecomesTheWholeViewAndItsSlices(width: Int, height: Int, rows: Int, columns: Int) throws {
    let tiny = try TinyModel()
    defer { tiny.delete() }
    let (e, _) = try vectors(tiny, TinyModel.image(width: width, height: height))
    // hires_llava: T0 + 1 + m·n·T + m·(n − 1) + m with T = T0 = 4.
    #expect(e.tokens == 4 + 1 + rows * columns * 4 + rows * (columns - 1) + rows)
    #expect(e.views.count == 1 + rows * columns)
    #expect(e.views.last?.row == rows - 1 && e.views.last?.column == columns - 1)
    #expect(e.views.allSatisfy { $0.tokens == 4 })
  }

  @Test func slicesOfAnExactMultipleShowTheirPixels() throws {
    let tiny = try TinyModel()
    defer { tiny.delete() }
    let (e, _) = try vectors(tiny, TinyModel.image(width: 64, height: 128))
    #expect(e.views[0].area == PixelRectangle(x: -32, y: 0, width: 128, height: 128))
    #expect(e.views[1].area == PixelRectangle(x: 0, y: 0, width: 32, height: 32))
    #expect(e.views[6].area == PixelRectangle(x: 32, y: 64, width: 32, height: 32))
  }

  @Test func separatorsStandAfterTheWholeViewBetweenSlicesAndAtRowEnds() throws {
    var marks: [String: [Float]] = [:]
    let tiny = try TinyModel { name, values in if name.hasPrefix("separator.") { marks[name] = values } }
    defer { tiny.delete() }
    let (e, x) = try vectors(tiny, TinyModel.image(width: 64, height: 64))
    func row(_ i: Int) -> [Float] { Array(x[i * e.hiddenSize..<(i + 1) * e.hiddenSize]) }
    #expect(row(4) == marks["separator.global"])
    #expect(row(9) == marks["separator.slice"])
    #expect(row(14) == marks["separator.row"])
    #expect(row(19) == marks["separator.slice"])
    #expect(row(24) == marks["separator.row"])
  }

  @Test func adaptersOfZeroLeaveCLIPAsItWas() throws {
    let zero = try TinyModel { name, values in
      if name.contains(".restore.") { for i in values.indices { values[i] = 0 } }
    }
    let plain = try TinyModel()
    defer {
      zero.delete()
      plain.delete()
    }
    // The same picture as the whole view and as the only slice: without adapters both give the same tokens.
    let image = try TinyModel.image(width: 32, height: 32)
    let (e, x) = try vectors(zero, image)
    let n = 4 * e.hiddenSize
    #expect(Array(x[..<n]) == Array(x[n + e.hiddenSize..<2 * n + e.hiddenSize]))
    let (_, y) = try vectors(plain, image)
    #expect(Array(y[..<n]) == Array(x[..<n]))
    #expect(Array(y[n + e.hiddenSize..<2 * n + e.hiddenSize]) != Array(y[..<n]))
  }

  @Test func aSliceSeesItsNeighbourThroughTheAdaptersOnly() throws {
    func secondSlice(_ tiny: TinyModel, _ image: RGBImage) throws -> [Float] {
      let (e, x) = try vectors(tiny, image)
      let first = e.views[2].firstToken
      return Array(x[first * e.hiddenSize..<(first + 4) * e.hiddenSize])
    }
    let image = try TinyModel.image(width: 64, height: 32)
    let changed = try TinyModel.image(width: 64, height: 32)
    changed[3, 3] = RGBColour(255, 0, 255)
    let plain = try TinyModel()
    let zero = try TinyModel { name, values in
      if name.contains(".restore.") { for i in values.indices { values[i] = 0 } }
    }
    defer {
      zero.delete()
      plain.delete()
    }
    #expect(try secondSlice(plain, image) != secondSlice(plain, changed))
    #expect(try secondSlice(zero, image) == secondSlice(zero, changed))
  }
}
