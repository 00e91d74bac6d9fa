// SPDX-License-Identifier: Apache-2.0
import Conversion
import Schema
import Testing
import WeightFile

/// Sizes that are sound by themselves but ask for absurd work beside the others are refused before anything is built.
@Suite struct BoundsTests {
  /// - Parameter checkpoint: a folder's name among the fixtures.
  private func refuses(_ checkpoint: String, _ changes: [(key: String, value: MetadataValue)], _ words: String) throws {
    let path = try #require(Samples.checkpoints.first { $0.contains("/\(checkpoint)/") })
    let settings = try SystemDescription(OpenCheckpoint(path: path)).vision
    var entries = try settings.entries(file: "t")
    func read<S: Settings>(_ settings: S) throws {
      var copy = settings
      try copy.read(metadata(entries))
    }
    try read(settings)
    for (key, value) in changes {
      let i = try #require(entries.firstIndex { $0.key == key }, "\(key)")
      entries[i].value = value
    }
    let error = #expect(throws: WeightFileError.self) { try read(settings) }
    #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
  }

  /// Pooling to a larger map than that of all slices: 65 536 places attended to each other.
  @Test func aPooledMapIsNotLargerThanTheSlices() throws {
    try refuses("hires", [("hires.restoreDown", .ints([256, 256]))], "hires.restoreDown")
    try refuses("hires", [("hires.restoreDown", .ints([1024, 1024]))], "hires.restoreDown")
    try refuses("hires", [("hires.restoreLayers", .ints([0, 2]))], "hires.restoreLayers")
  }

  @Test func aViewHasNotMoreQueriesThanPatches() throws {
    try refuses("monkey", [("resampler.side", .int(256))], "resampler.side is 256, not in 1 … 4")
    try refuses("text_monkey", [("resampler.side", .int(128))], "resampler.side is 128, not in 1 … 4")
  }

  /// Tables of positions that are resized bound nothing by themselves.
  @Test func positionsAreNotStretchedWithoutEnd() throws {
    try refuses("monkey", [("vision.imageSize", .int(4060))], "vision.patchSize")
    try refuses("ferret_v2", [("local.tileSide", .int(4060))], "local.patchSize")
  }

  @Test func windowsAreNotMuchLargerThanTheirMap() throws {
    try refuses("text_monkey", [("monkey.windowSide", .int(32))], "monkey.windowSide is 32, not in 1 … 12")
    try refuses("text_monkey", [("monkey.windowShift", .int(12))], "monkey.windowShift is 12, not in 0 … 11")
    try refuses("got", [("vocabulary.windowSize", .int(256))], "vocabulary.windowSize")
  }

  @Test func aCanvasHasABoundedNumberOfTiles() throws {
    try refuses("llava_next_hf_bin", [("image.pinpoints", .ints([56 * 64, 56 * 5]))], "image.pinpoints")
    try refuses("ferret_ui", [("image.pinpoints", .ints([56, 57]))], "image.pinpoints")
  }
}
