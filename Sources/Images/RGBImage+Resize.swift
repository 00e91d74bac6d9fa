// SPDX-License-Identifier: Apache-2.0

extension RGBImage {
  /// The image at another size, as Pillow resizes it.
  package func resized(width: Int, height: Int, filter: ResampleFilter) throws(ImageError) -> RGBImage {
    try picture(.stretched(ImageSize(width: self.width, height: self.height), width: width, height: height, filter: filter))
  }

  /// The picture that `plan`, made for this image's size, describes.
  package func picture(_ plan: PicturePlan) throws(ImageError) -> RGBImage {
    let pictures = try PixelRows(self).pictures([plan])
    return pictures[0]
  }
}
