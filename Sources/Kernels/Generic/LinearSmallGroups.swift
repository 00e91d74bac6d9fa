// SPDX-License-Identifier: Apache-2.0
#if HAS_LANES
import Shims

/// y = x·Wᵀ + bias with weights of 4, 5 or 6 bits in groups of 32 inputs; exact to ScalarKernels.
///
/// Weights are unpacked to unsigned bytes of at most seven bits, so one product serves all formats. Few tokens: unpacked as they are read. Many: some
/// groups of one or two blocks are unpacked to scratch memory that stays in the L1 cache, where all tokens read them.
extension VectorKernels {
  @export(interface)
  package static func linearSmallGroups(
    _ arguments: UnsafePointer<LinearArguments>, _ firstBlock: Int, _ endBlock: Int, _ firstToken: Int, _ endToken: Int
  ) {
    let part = LinearPart(a: arguments.pointee, blocks: firstBlock..<endBlock, tokens: firstToken..<endToken)
    guard part.tokens.count >= 2 * ManyTokenSums.count else { return linearSmallGroups(part, scratch: nil) }
    withUnsafePointer(to: part) { part in
      fovea_with_stack(
        ExpandedGroups.bytes,
        { context, _, _, _, scratch in
          guard let context, let scratch else { return }
          VectorKernels.linearSmallGroups(context.assumingMemoryBound(to: LinearPart.self).pointee, scratch: scratch)
        }, part, 0, 0, 0)
    }
  }

  /// - Parameter scratch: `ExpandedGroups.bytes`; nil for few tokens.
  private static func linearSmallGroups(_ part: LinearPart, scratch: UnsafeMutableRawPointer?) {
    switch part.a.bits {
    case 4: linear(FourBits.self, part, scratch)
    case 5: linear(FiveBits.self, part, scratch)
    default: linear(SixBits.self, part, scratch)
    }
  }

  @inline(__always)
  private static func linear<W: SmallGroupWeights>(_: W.Type, _ part: LinearPart, _ scratch: UnsafeMutableRawPointer?) {
    var block = part.blocks.lowerBound
    if let scratch {
      // Between runs of groups y holds the partial sums, so these blocks must have no padding rows.
      let whole = min(part.blocks.upperBound, Int(part.a.outputs) / 16)
      while block + ManyTokenSums.blocks <= whole {
        manyTokens(W.self, part, block, ExpandedGroups(scratch))
        block += ManyTokenSums.blocks
      }
    }
    while block < part.blocks.upperBound {
      let isTile = part.tokens.count >= ManyTokenSums.count && block + ManyTokenSums.blocks <= part.blocks.upperBound
      var token = part.tokens.lowerBound
      while isTile, token + ManyTokenSums.count <= part.tokens.upperBound {
        packedTile(ManyTokenSums.self, PackedManyReader<W>.self, part.a, block, token)
        token += ManyTokenSums.count
      }
      let next = isTile ? block + ManyTokenSums.blocks : block + 1
      while block < next {
        fewTokens(W.self, part, block, token)
        block += 1
      }
    }
  }

  /// `ManyTokenSums.blocks` blocks from `block` on for all tokens.
  @inline(__always)
  private static func manyTokens<W: SmallGroupWeights>(_: W.Type, _ part: LinearPart, _ block: Int, _ expanded: ExpandedGroups) {
    let groups = Int(part.a.inputs) / smallGroup
    var g = 0
    while g < groups {
      let end = min(g + ExpandedGroups.most, groups)
      expanded.fill(W.self, part.a, block, g, end)
      var token = part.tokens.lowerBound
      while token + ManyTokenSums.count <= part.tokens.upperBound {
        tile(ManyTokenSums.self, part.a, block, token, expanded, g, end)
        token += ManyTokenSums.count
      }
      if token + 4 <= part.tokens.upperBound {
        tile(FourTokenSums.self, part.a, block, token, expanded, g, end)
        token += 4
      }
      if token + 2 <= part.tokens.upperBound {
        tile(TwoTokenSums.self, part.a, block, token, expanded, g, end)
        token += 2
      }
      if token < part.tokens.upperBound { tile(OneTokenSum.self, part.a, block, token, expanded, g, end) }
      g = end
    }
  }

  /// Adds the groups `first ..< end`, of which `expanded` has the weights, to the sums of a tile.
  @inline(__always)
  private static func tile<T: GroupSums>(
    _: T.Type, _ a: LinearArguments, _ block: Int, _ token: Int, _ expanded: ExpandedGroups, _ first: Int, _ end: Int
  ) where T.Quads == OneTokenSum.Quads, T.Scales == OneTokenSum.Scales, T.RowScales == OneTokenSum.RowScales {
    guard let weights = a.weights, let y = a.y else { return }
    let groups = Int(a.inputs) / smallGroup
    let target = y + token * a.yStride
    var sums = first == 0 ? T() : T(partial: target + block * 16, a.yStride)
    add(&sums, ExpandedReader(expanded), a, token, first, end)
    if end < groups {
      sums.store(target + block * 16, a.yStride)
    } else {
      let rows = UnsafeRawPointer(weights + block * a.blockStride)
      sums.finish(a, block, ExpandedReader.rowScales(rows, a.blockStride), target)
    }
  }

  /// One block for the tokens from `first` on, unpacked as it is read.
  @inline(__always)
  private static func fewTokens<W: SmallGroupWeights>(_: W.Type, _ part: LinearPart, _ block: Int, _ first: Int) {
    typealias Two = SumsPair<GroupSum, GroupSum>
    guard let weights = part.a.weights else { return }
    touchScales(weights + block * part.a.blockStride, part.a.payloadOffset)
    var token = first
    while token + 4 <= part.tokens.upperBound {
      packedTile(SumsPair<Two, Two>.self, PackedReader<W>.self, part.a, block, token)
      token += 4
    }
    switch part.tokens.upperBound - token {
    case 1: packedTile(GroupTwoSums.self, PackedReader<W>.self, part.a, block, token)
    case 2: packedTile(Two.self, PackedReader<W>.self, part.a, block, token)
    case 3: packedTile(SumsPair<Two, GroupSum>.self, PackedReader<W>.self, part.a, block, token)
    default: break
    }
  }

  @inline(__always)
  private static func packedTile<T: GroupSums, R: PackedGroupReader>(_: T.Type, _: R.Type, _ a: LinearArguments, _ block: Int, _ token: Int)
  where T.Quads == R.Quads, T.Scales == R.Scales, T.RowScales == R.RowScales {
    guard let weights = a.weights, let y = a.y else { return }
    let base = UnsafeRawPointer(weights + block * a.blockStride)
    var sums = T()
    add(&sums, R(base, a), a, token, 0, Int(a.inputs) / smallGroup)
    sums.finish(a, block, R.rowScales(base, a.blockStride), y + token * a.yStride)
  }

  /// Adds the groups `first ..< end`, which `weights` reads.
  @inline(__always)
  private static func add<R: GroupReader, T: GroupSums>(_ sums: inout T, _ weights: R, _ a: LinearArguments, _ token: Int, _ first: Int, _ end: Int)
  where T.Quads == R.Quads, T.Scales == R.Scales, T.RowScales == R.RowScales {
    guard let values = a.x, let xScales = a.xScales, let xOffsets = a.xOffsets else { return }
    let (groups, stride) = (Int(a.inputs) / smallGroup, a.xStride)
    var weights = weights
    var x = UnsafeRawPointer(values + token * stride + first * smallGroup)
    var scales = xScales + token * groups + first
    var offsets = xOffsets + token * groups + first
    var g = end - first
    while g > 0 {
      weights.prefetch()
      sums.begin(offsets, groups)
      sums.add(weights.quads(0), x, stride)
      sums.add(weights.quads(1), x + 8, stride)
      sums.add(weights.quads(2), x + 16, stride)
      sums.add(weights.quads(3), x + 24, stride)
      sums.end(weights.scales, scales, groups)
      weights.next()
      x += smallGroup
      scales += 1
      offsets += 1
      g -= 1
    }
  }
}

/// What a call of the kernel computes.
private struct LinearPart {
  let a: LinearArguments
  let blocks, tokens: Range<Int>
}
#endif
