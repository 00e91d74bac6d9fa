// SPDX-License-Identifier: Apache-2.0
import Runtime

/// A causal language model that continues a sequence of vectors. Immutable: the state of a sequence is its `KVCache`, so
/// one decoder serves any number of sessions and threads.
package protocol Decoder: AnyObject {
  var hiddenSize: Int { get }
  var vocabSize: Int { get }
  /// Longest sequence, in positions.
  var contextLength: Int { get }
  var layers: Int { get }
  /// Bytes of weights that one decoded token reads.
  var bytesPerToken: Int { get }

  /// Bytes of tables (RoPE) that grow with sequences, for `positions`.
  func tableBytes(positions: Int) -> Int

  /// An empty cache for sequences of up to `capacity` positions; the system backs its memory as it is used.
  /// - Parameters:
  ///   - type: number format of keys and values; nil: the decoder's default.
  ///   - host: where the memory comes from; nil: the system.
  func makeCache(capacity: Int, type: CacheType?, host: HostMemory?) throws(RuntimeError) -> KVCache

  /// Called before a prompt's first pass with all its positions. Empties the cache where its keys cannot be reused for this prompt (RoPE that depends
  /// on the prompt's length).
  func prepare(_ cache: KVCache, promptLength: Int)

  /// Rows of the embedding table: `x` is `[ids.count, hiddenSize]`. Every id is in `0..<vocabSize`.
  func embed(_ ids: UnsafeBufferPointer<Int32>, into x: Tensor, _ ctx: Context) throws(RuntimeError)

  /// Appends the rows of `x` (`[rows, hiddenSize]`, overwritten) to the sequences in the caches of `parts`, which have room for them. A row's result
  /// does not depend on the other rows of the pass. A throw leaves the caches' lengths as they were.
  /// - Parameter progress: called after each layer with the number done.
  /// - Returns: the final normed states, `[rows, hiddenSize]`.
  func callAsFunction(
    _ x: Tensor, _ parts: [SequencePart], progress: ((Int) -> Void)?, _ ctx: Context
  ) throws(RuntimeError) -> Tensor

  /// `h` `[tokens, hiddenSize]` → `y` `[tokens, vocabSize]`.
  func logits(_ h: Tensor, into y: Tensor, _ ctx: Context) throws(RuntimeError)
}

extension Decoder {
  package func tableBytes(positions: Int) -> Int { 0 }

  package func prepare(_ cache: KVCache, promptLength: Int) {}

  /// As above with one sequence.
  package func callAsFunction(
    _ x: Tensor, cache: KVCache, progress: ((Int) -> Void)?, _ ctx: Context
  ) throws(RuntimeError) -> Tensor {
    try self(x, [SequencePart(cache, rows: 0..<x.rows)], progress: progress, ctx)
  }
}
