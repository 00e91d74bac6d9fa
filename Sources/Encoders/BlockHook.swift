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
  /// `join`.
  package static let attention = BlockPlaces(rawValue: 4)
}

/// Code that a family adds before or beside the blocks of a `VisionTransformer` while it encodes the views of one image. Blocks without hooks take
/// the fused path.
///
/// Rows of every tensor are those of the residual stream: all views, one after another.
package protocol BlockHook: AnyObject {
  /// Where the hook is called in block `layer`.
  func places(in layer: Int) -> BlockPlaces

  /// Changes the residual stream `[views · tokens, hiddenSize]` before the block.
  func before(_ x: Tensor, layer: Int, _ ctx: Context) throws(RuntimeError)

  /// Adds to q | k | v `[rows, 3·hiddenSize]` of the normed input `n`.
  func besideQueryKeyValue(_ n: Tensor, addingTo qkv: Tensor, layer: Int, _ ctx: Context) throws(RuntimeError)

  /// Adds to the product of the attention's `context` with its output matrix.
  func besideOutput(_ context: Tensor, addingTo attended: Tensor, layer: Int, _ ctx: Context) throws(RuntimeError)

  /// Adds to the MLP's output; `x` is the residual stream before its norm.
  func besideMLP(_ x: Tensor, addingTo y: Tensor, layer: Int, _ ctx: Context) throws(RuntimeError)

  /// Adds the attention's output to the residual stream, in place of the block.
  /// - Parameters:
  ///   - attended: the attention's output; may be changed.
  ///   - normed: what the attention read.
  ///   - x: the block's input; becomes input + attended + whatever the hook adds.
  func join(_ attended: Tensor, normed: Tensor, to x: Tensor, layer: Int, _ ctx: Context) throws(RuntimeError)
}

extension BlockHook {
  package func before(_ x: Tensor, layer: Int, _ ctx: Context) throws(RuntimeError) {}
  package func besideQueryKeyValue(_ n: Tensor, addingTo qkv: Tensor, layer: Int, _ ctx: Context) throws(RuntimeError) {}
  package func besideOutput(_ context: Tensor, addingTo attended: Tensor, layer: Int, _ ctx: Context) throws(RuntimeError) {}
  package func besideMLP(_ x: Tensor, addingTo y: Tensor, layer: Int, _ ctx: Context) throws(RuntimeError) {}
  package func join(_ attended: Tensor, normed: Tensor, to x: Tensor, layer: Int, _ ctx: Context) throws(RuntimeError) {
    add(attended, to: x, ctx)
  }
}
