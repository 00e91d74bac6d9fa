// SPDX-License-Identifier: Apache-2.0
import Images
import Schema
import WeightFile

extension AnyResolution {
  /// The canvases that a file names for tiles of this side.
  static func pinpoints(_ m: Metadata, side: Int) throws(WeightFileError) -> [Size] {
    var settings = PinpointSettings([], tileSide: side)
    try settings.read(m)
    return settings.sizes.map { Size(width: $0.width, height: $0.height) }
  }
}
