// SPDX-License-Identifier: Apache-2.0
import Shims

/// The antialiasing filters of Pillow's `Image.resize`, by its names for them.
package enum ResampleFilter {
  case box, bilinear, bicubic, lanczos

  /// Radius of the filter in source pixels, where the image does not shrink.
  var support: Double {
    switch self {
    case .box: return 0.5
    case .bilinear: return 1
    case .bicubic: return 2
    case .lanczos: return 3
    }
  }

  /// The filter's value at distance `x`; operations in Pillow's order, so that every double comes out the same.
  func callAsFunction(_ x: Double) -> Double {
    switch self {
    case .box:
      return x > -0.5 && x <= 0.5 ? 1 : 0
    case .bilinear:
      let d = abs(x)
      return d < 1 ? 1 - d : 0
    case .bicubic:
      // Keys' cubic with a = −1/2.
      let a = -0.5
      let d = abs(x)
      if d < 1 { return ((a + 2) * d - (a + 3)) * d * d + 1 }
      if d < 2 { return (((d - 5) * d + 8) * d - 4) * a }
      return 0
    case .lanczos:
      // sinc, windowed by its main lobe stretched to three; the interval is open at the right end.
      return x >= -3 && x < 3 ? Self.sinc(x) * Self.sinc(x / 3) : 0
    }
  }

  private static func sinc(_ x: Double) -> Double {
    if x == 0 { return 1 }
    let angle = x * Double.pi
    return sin(angle) / angle
  }
}
