// SPDX-License-Identifier: Apache-2.0
import Decoders
import Families
import Runtime
import Schema
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

  package init(_ file: WeightFile, contextLength: Int?, cacheType: CacheType?) throws(WeightFileError) {
    var decoded = 0
    var mapped = 0
    for record in file.records {
      if record.isCompressed { decoded += record.byteCount } else { mapped += record.byteCount }
    }
    decodedWeights = decoded
    mappedWeights = mapped

    let language = try DecoderSettings(file.metadata).footprint(cacheType: CacheType(GeneralSettings(file.metadata)))
    let positions = min(max(contextLength ?? language.contextLength, 1), language.contextLength)
    self.contextLength = positions
    cache = language.cacheBytesPerPosition(cacheType) * positions
    scratch = max(
      try SystemKind(file.metadata).scratchBytes(file.metadata),
      Session.chunk * language.scratchBytesPerPosition + language.logitBytes)
  }
}
