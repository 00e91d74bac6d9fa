// SPDX-License-Identifier: Apache-2.0
import Images
import Schema

extension AnyResolution {
  static func sizes(_ s: PinpointSettings) -> [Size] { s.sizes.map { Size(width: $0.width, height: $0.height) } }
}
