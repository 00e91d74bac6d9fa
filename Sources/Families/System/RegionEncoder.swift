// SPDX-License-Identifier: Apache-2.0
import Encoders
import Regions
import Runtime

/// Makes vectors of regions. Immutable and shared by threads.
package protocol RegionEncoder: AnyObject {
  /// The token of the vocabulary that stands where a region's vector goes.
  var token: [UInt8] { get }
  /// Channels of the map that it reads.
  var featureSize: Int { get }
  /// Points that each of its stages gets; a region begins with the first number.
  var stageInputs: (Int, Int) { get }

  /// - Parameters:
  ///   - map: what the system's `encode` left in `EncodedImage.map`.
  ///   - start: `stageInputs.0` places.
  /// - Returns: `[1, decoder's hiddenSize]`.
  func callAsFunction(_ map: FeatureMap, _ start: RegionPoints, _ ctx: Context) throws(RuntimeError) -> Tensor
}
