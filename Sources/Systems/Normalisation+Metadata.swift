// SPDX-License-Identifier: Apache-2.0
import Images
import Runtime
import WeightFile

extension Normalisation {
  /// The statistics that the file's encoder was trained with, `vision.mean` and `vision.std`.
  init(_ m: Metadata) throws(WeightFileError) {
    let mean = try m.requireDoubles("vision.mean")
    let std = try m.requireDoubles("vision.std")
    guard mean.count == 3 else { throw m.mismatch("vision.mean", found: "\(mean.count) numbers", expected: "three") }
    guard std.count == 3, std.allSatisfy({ $0 > 0 }) else {
      throw m.mismatch("vision.std", found: "\(std.count) numbers", expected: "three, above 0")
    }
    self.init(mean: (mean[0], mean[1], mean[2]), std: (std[0], std[1], std[2]))
  }

  /// All pictures, normalised, as `[pictures, 3, side, side]`.
  func pixels(_ pictures: [RGBImage], side: Int, _ ctx: Context) throws(RuntimeError) -> UnsafePointer<Float> {
    let batch = try ctx.arena.tensor(pictures.count, 3 * side * side)
    ctx.pool.run(pictures.count) { i in pictures[i].normalise(into: batch[i], self) }
    return UnsafePointer(batch.data)
  }
}
