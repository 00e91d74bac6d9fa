// SPDX-License-Identifier: Apache-2.0
import Runtime

/// The places in a block where a hook is called.
package struct BlockPlaces: OptionSet {
  package let rawValue: UInt8

  package init(rawValue: UInt8) { self.rawValue = rawValue }

  /// `before`.
  package static let before = BlockPlaces(rawValue: 1)
  /// `besideQueryKeyValue`, `besideOutput` and `besideMLP`.
  package static let products = BlockPlaces(rawValue: 2)
}

/// What `afterAttention` reads: the block's input, what its attention read, or what that attention says.
package enum AttentionReading { case residual, normed, attended }

/// Code that a family adds before or beside the blocks of a `VisionTransformer` while it encodes the views of one image. Blocks without hooks take
/// the fused path.
///
/// Rows of every tensor are those of the residual stream: views one after another, all of them in `before` and `afterAttention`, elsewhere those of
/// the range `views`.
package protocol BlockHook: AnyObject {
  /// Where the hook is called in block `layer`.
  func places(in layer: Int) -> BlockPlaces

  /// What the hook reads when the attention of block `layer` has been added; nil: it is not called there.
  func reading(in layer: Int) -> AttentionReading?

  /// Changes the residual stream `[views · tokens, hiddenSize]` before the block.
  func before(_ x: Tensor, layer: Int, _ ctx: Context) throws(RuntimeError)

  /// Adds to q | k | v `[rows, 3·hiddenSize]` of the normed input `n`.
  func besideQueryKeyValue(_ n: Tensor, addingTo qkv: Tensor, views: Range<Int>, layer: Int, _ ctx: Context) throws(RuntimeError)

  /// Adds to the product of the attention's `context` with its output matrix.
  func besideOutput(_ context: Tensor, addingTo attended: Tensor, views: Range<Int>, layer: Int, _ ctx: Context) throws(RuntimeError)

  /// Adds to the MLP's output; `x` is the residual stream before its norm.
  func besideMLP(_ x: Tensor, addingTo y: Tensor, views: Range<Int>, layer: Int, _ ctx: Context) throws(RuntimeError)

  /// Adds to the residual stream `x` after the attention.
  /// - Parameter read: what `reading` asked for; may be changed.
  func afterAttention(_ read: Tensor, addingTo x: Tensor, layer: Int, _ ctx: Context) throws(RuntimeError)
}

extension BlockHook {
  package func places(in layer: Int) -> BlockPlaces { [] }
  package func reading(in layer: Int) -> AttentionReading? { nil }
  package func before(_ x: Tensor, layer: Int, _ ctx: Context) throws(RuntimeError) {}
  package func besideQueryKeyValue(_ n: Tensor, addingTo qkv: Tensor, views: Range<Int>, layer: Int, _ ctx: Context) throws(RuntimeError) {}
  package func besideOutput(_ context: Tensor, addingTo attended: Tensor, views: Range<Int>, layer: Int, _ ctx: Context) throws(RuntimeError) {}
  package func besideMLP(_ x: Tensor, addingTo y: Tensor, views: Range<Int>, layer: Int, _ ctx: Context) throws(RuntimeError) {}
  package func afterAttention(_ read: Tensor, addingTo x: Tensor, layer: Int, _ ctx: Context) throws(RuntimeError) {}
}
