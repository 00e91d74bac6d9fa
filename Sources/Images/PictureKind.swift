// SPDX-License-Identifier: Apache-2.0

/// A kind of picture, by what has to be held while it is read.
package enum PictureKind {
  case pixels, png, interlacedPNG, jpeg
  /// Three components, chroma subsampled by 2 at most, as cameras and programs write them.
  case colourJPEG
  /// Progressive ones, and others of several scans.
  case multiScanJPEG

  /// Upper bound of the bytes that reading a picture takes, without its file and its output, for plans made before there is a file.
  /// `RowSource.workingBytes` is that of one picture.
  /// - Parameters:
  ///   - width, height: pixels as stored, up to the limits of `EncodedRows`.
  package func workingBytes(width: Int, height: Int) -> Int {
    // A row as stored and one as returned.
    let rows = 4 * width + 3 * width
    switch self {
    case .pixels: return 0
    case .png: return rows + pngBytes(width)
    case .interlacedPNG: return rows + pngBytes(width) + 4 * width * height
    case .jpeg: return rows + jpegBytes(width)
    // 12 groups of 2 lines of luma and of 2 of chroma, 2 lines of each upsampled.
    case .colourJPEG: return rows + (128 << 10) + 64 * (width + 64)
    // Four components at most, 2 bytes a coefficient, whole groups of blocks.
    case .multiScanJPEG: return rows + jpegBytes(width) + 8 * (width + 64) * (height + 64)
    }
  }

  private func pngBytes(_ width: Int) -> Int { 16 * width + (128 << 10) }

  /// Of each component 12 groups of up to 4 lines, and 4 lines upsampled.
  private func jpegBytes(_ width: Int) -> Int { (128 << 10) + 8 * width + 4 * 52 * (width + 64) }
}
