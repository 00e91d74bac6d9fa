// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// A checkpoint published as differences from a base model (Ferret v1 over Vicuna), added to the base while it is read. Sums are
/// rounded to half precision, as in the published script.
///
/// Rows and columns of an embedding or head beyond the base's size are taken unchanged.
package final class DeltaSource: TensorSource {
  package let tensors: [TensorInfo]
  private let delta, base: any TensorSource

  /// - Throws: `.tensors` naming tensors that have no counterpart in the base and do not belong to a multimodal checkpoint's own modules,
  ///   and tensors of another shape.
  package init(delta: any TensorSource, base: any TensorSource) throws {
    self.delta = delta
    self.base = base
    tensors = delta.tensors
    var unknown: [String] = []
    var misshapen: [String] = []
    for info in delta.tensors {
      guard let other = base.info(info.name) else {
        if !Self.isOwn(info.name) { unknown.append(info.name) }
        continue
      }
      let grows = ["model.embed_tokens.weight", "lm_head.weight"].contains(info.name)
      let fits =
        info.shape == other.shape
        || (grows && info.shape.count == 2 && other.shape.count == 2 && zip(info.shape, other.shape).allSatisfy { $0 >= $1 })
      if !fits { misshapen.append("\(info.name): delta \(info.shape), base \(other.shape)") }
    }
    guard unknown.isEmpty, misshapen.isEmpty else {
      throw ConversionError.tensors(missing: [], unknown: unknown, misshapen: misshapen)
    }
  }

  private static func isOwn(_ name: String) -> Bool {
    ["model.mm_projector", "model.region_geo_sampler", "model.region_fea_adapter", "model.vision_tower"].contains {
      name.hasPrefix($0)
    } || name.hasSuffix("rotary_emb.inv_freq")
  }

  package func info(_ name: String) -> TensorInfo? { delta.info(name) }

  package func read(_ name: String, rows: Range<Int>, into out: UnsafeMutablePointer<Float>) throws {
    try delta.read(name, rows: rows, into: out)
    guard let own = delta.info(name), let other = base.info(name) else { return }
    let shared = rows.lowerBound..<max(rows.lowerBound, min(rows.upperBound, other.rows))
    guard !shared.isEmpty else { return }
    let width = other.rowSize
    var sums = [Float](repeating: 0, count: shared.count * width)
    try sums.withUnsafeMutableBufferPointer { buffer in
      if let base = buffer.baseAddress { try self.base.read(name, rows: shared, into: base) }
    }
    for row in 0..<shared.count {
      for column in 0..<width {
        let at = row * own.rowSize + column
        out[at] = Half.float(Half.bits(out[at] + sums[row * width + column]))
      }
    }
  }

  package func release(_ name: String) {
    delta.release(name)
    base.release(name)
  }
}
