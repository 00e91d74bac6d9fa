// SPDX-License-Identifier: Apache-2.0
import Encoders
import Regions
import Runtime

/// Encodes regions as vectors. Immutable; shared by threads.
package protocol RegionEncoder: AnyObject {
  /// The vocabulary's token at whose position a region's vector is inserted.
  var token: [UInt8] { get }
  /// Channels of the map that it reads.
  var featureSize: Int { get }
  /// Input points of its two stages; a region starts with the first number.
  var stageInputs: (Int, Int) { get }

  /// - Parameters:
  ///   - map: what the system's `encode` left in `EncodedImage.map`.
  ///   - start: `stageInputs.0` places.
  /// - Returns: `[1, decoder's hiddenSize]`.
  func callAsFunction(_ map: FeatureMap, _ start: RegionPoints, _ ctx: Context) throws(RuntimeError) -> Tensor
}
