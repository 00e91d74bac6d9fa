// SPDX-License-Identifier: Apache-2.0
import Images
import Runtime
import WeightFile

extension Normalisation {
  /// The statistics that an encoder was trained with, `vision.mean` and `vision.std`, or those of another `scope`.
  init(_ m: Metadata, scope: String = "vision") throws(WeightFileError) {
    let mean = try m.requireDoubles("\(scope).mean")
    let std = try m.requireDoubles("\(scope).std")
    guard mean.count == 3 else { throw m.mismatch("\(scope).mean", found: "\(mean.count) numbers", expected: "three") }
    guard std.count == 3, std.allSatisfy({ $0 > 0 }) else {
      throw m.mismatch("\(scope).std", found: "\(std.count) numbers", expected: "three, above 0")
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
