// SPDX-License-Identifier: Apache-2.0

extension RGBImage {
  /// Reads a whole PNG or JPEG file (see `EncodedRows`).
  /// - Parameter path: any bytes but NUL; error texts show it with what is not UTF-8 replaced.
  package static func decode(path: UnsafePointer<CChar>, options: DecodingOptions = DecodingOptions()) throws(ImageError) -> RGBImage {
    try EncodedRows(path: path, options: options).image(room: options.room)
  }

  /// The same from memory; the bytes are only used during the call.
  /// - Parameter source: what error texts call the image.
  package static func decode(
    encoded bytes: UnsafeRawBufferPointer, source: String = "encoded image", options: DecodingOptions = DecodingOptions()
  ) throws(ImageError) -> RGBImage {
    try EncodedRows(encoded: bytes, name: source, options: options).image(room: options.room)
  }
}
