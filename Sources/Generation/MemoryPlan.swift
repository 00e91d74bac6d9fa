// SPDX-License-Identifier: Apache-2.0
import Language
import Runtime
import Systems
import Vision
import WeightFile

/// Bytes that a model with one session takes, known before anything but the file's tables is touched.
package struct MemoryPlan {
  /// Compressed weights decoded into memory, and raw weights used in place from the mapping (shared with other
  /// processes, and dropped by the system under pressure).
  package let decodedWeights, mappedWeights: Int
  /// Keys and values of a full context.
  package let cache: Int
  /// Scratch memory of encoding the largest image or prefilling a chunk, whichever is more.
  package let scratch: Int
  /// Positions that a session holds.
  package let contextLength: Int

  package var weights: Int { decodedWeights + mappedWeights }
  package var total: Int { weights + cache + scratch }

  package init(_ file: WeightFile, contextLength: Int?) throws(WeightFileError) {
    var decoded = 0
    var mapped = 0
    for record in file.records {
      if record.isCompressed { decoded += record.byteCount } else { mapped += record.byteCount }
    }
    decodedWeights = decoded
    mappedWeights = mapped

    let language = try LlamaConfig(file.metadata)
    let positions = min(max(contextLength ?? language.contextLength, 1), language.contextLength)
    self.contextLength = positions
    let isFloat = (file.metadata.string("general.type") ?? "").utf8.elementsEqual("f32".utf8)
    cache = 2 * language.layers * language.kvHeads * language.headSize * positions * (isFloat ? 4 : 2)

    let vision = try CLIPVisionConfig(file.metadata)
    let views = 1 + maximumSlices(file.metadata, side: vision.imageSize)
    let prefill = Session.chunk * (8 * language.hiddenSize + 3 * language.intermediateSize) * MemoryLayout<Float>.stride
    scratch = max(vision.scratchBytes(views: views), prefill + language.vocabSize * 8)
  }
}

/// Most slices or tiles that the file's system cuts an image into.
private func maximumSlices(_ m: Metadata, side: Int) -> Int {
  if let slices = m.int("hires.maxSlices") { return min(max(slices, 0), 1024) }
  let sizes = m.ints("image.pinpoints") ?? []
  return stride(from: 0, to: sizes.count - 1, by: 2).reduce(0) {
    max($0, min(max(sizes[$1] / side, 0), 64) * min(max(sizes[$1 + 1] / side, 0), 64))
  }
}
