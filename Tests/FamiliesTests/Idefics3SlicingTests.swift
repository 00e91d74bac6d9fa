// SPDX-License-Identifier: Apache-2.0
import Families
import Images
import Testing

@Suite struct Idefics3SlicingTests {
  @Test func extremeSizesOverflowNothing() throws {
    var settings = Idefics3SlicingSettings()
    (settings.longestEdge, settings.tileSide) = (4096, 512)
    let largest = Int(Int32.max)
    for (width, height) in [(largest, 1), (1, largest), (largest, largest), (1, 1)] {
      let plan = try Idefics3Slicing(settings)(ImageSize(width: width, height: height))
      #expect(plan.rows * plan.columns <= 64 && plan.cuts.count == plan.rows * plan.columns + 1)
      #expect(plan.pictureBytes != nil)
    }
    for (width, height) in [(0, 5), (5, -1), (1 << 31, 5)] {
      #expect(throws: ImageError.self) { try Idefics3Slicing(settings)(ImageSize(width: width, height: height)) }
    }
  }
}
