// SPDX-License-Identifier: Apache-2.0
import Shims

// libFuzzer target of image decoding: whatever the bytes, reading them ends in pixels or an ImageError with words.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzImages(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  var options = DecodingOptions()
  options.maximumPixels = 1 << 18  // a larger one costs time and finds nothing more
  do throws(ImageError) {
    let image = try RGBImage.decode(encoded: UnsafeRawBufferPointer(start: start, count: count), options: options)
    var sum: UInt8 = 0
    for y in 0..<image.height {
      for x in 0..<3 * image.width { sum &+= image.pixels[y * image.stride + x] }
    }
    withExtendedLifetime(sum) {}
  } catch {
    if error.description.utf8.isEmpty { fatalError("an error without words") }
  }
  return 0
}
