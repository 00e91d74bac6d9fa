// SPDX-License-Identifier: Apache-2.0
import Runtime

/// What a decoder needs besides its weights, known from a file's metadata alone.
package struct DecoderFootprint {
  /// Longest sequence, in positions.
  package let contextLength: Int
  /// Keys and values of a position that are rows of their own, and the size of a row.
  private let cacheRows, headSize: Int
  /// What keys and values are kept as where nothing else is asked for.
  package let cacheType: CacheType
  /// Bytes of scratch memory, about: for each position that passes together, and for the logits.
  package let scratchBytesPerPosition, logitBytes: Int

  init(
    contextLength: Int, layers: Int, kvHeads: Int, headSize: Int, cacheType: CacheType, scratchBytesPerPosition: Int, logitBytes: Int
  ) {
    self.contextLength = contextLength
    cacheRows = 2 * layers * kvHeads
    self.headSize = headSize
    self.cacheType = cacheType
    self.scratchBytesPerPosition = scratchBytesPerPosition
    self.logitBytes = logitBytes
  }

  /// Bytes of keys and values that one position takes.
  package func cacheBytesPerPosition(_ type: CacheType?) -> Int { cacheRows * (type ?? cacheType).rowBytes(headSize: headSize) }
}
