// SPDX-License-Identifier: Apache-2.0
import Images
import Runtime
import Schema

extension Normalisation {
  /// The statistics that an encoder was trained with.
  init(_ s: NormalisationSettings) { self.init(mean: (s.mean[0], s.mean[1], s.mean[2]), std: (s.std[0], s.std[1], s.std[2])) }

  /// All pictures, normalised, as `[pictures, 3, side, side]`.
  func pixels(_ pictures: [RGBImage], side: Int, _ ctx: Context) throws(RuntimeError) -> UnsafePointer<Float> {
    let batch = try ctx.arena.tensor(pictures.count, 3 * side * side)
    ctx.pool.run(pictures.count) { i in pictures[i].normalise(into: batch[i], self) }
    return UnsafePointer(batch.data)
  }
}
