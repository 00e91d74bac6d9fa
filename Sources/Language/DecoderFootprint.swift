// SPDX-License-Identifier: Apache-2.0

/// What a decoder needs besides its weights, known from a file's metadata alone.
package struct DecoderFootprint {
  /// Longest sequence, in positions.
  package let contextLength: Int
  /// Bytes of keys and values that one position takes.
  package let cacheBytesPerPosition: Int
  /// Bytes of scratch memory, about: for each position that passes together, and for the logits.
  package let scratchBytesPerPosition, logitBytes: Int

  package init(contextLength: Int, cacheBytesPerPosition: Int, scratchBytesPerPosition: Int, logitBytes: Int) {
    self.contextLength = contextLength
    self.cacheBytesPerPosition = cacheBytesPerPosition
    self.scratchBytesPerPosition = scratchBytesPerPosition
    self.logitBytes = logitBytes
  }
}
