// SPDX-License-Identifier: Apache-2.0
import Shims

/// Kinds of file, told by their first bytes, so that a message can say what was given instead of PNG or JPEG.
package enum ForeignPicture {
  case empty, webP, gif, bmp, tiff, heic, avif, jpegXL, jpeg2000, svg, pdf, html, gitLFSPointer

  /// Nil for bytes of none of these kinds. 256 bytes are enough.
  package init?(_ bytes: UnsafeRawBufferPointer) {
    func begins(_ text: StaticString, at offset: Int = 0) -> Bool {
      guard offset + text.utf8CodeUnitCount <= bytes.count else { return false }
      return text.withUTF8Buffer { bytes[offset..<offset + $0.count].elementsEqual($0) }
    }
    func begins(bytes expected: [UInt8]) -> Bool { bytes.starts(with: expected) }

    if bytes.isEmpty {
      self = .empty
    } else if begins("RIFF"), begins("WEBP", at: 8) {
      self = .webP
    } else if begins("GIF87a") || begins("GIF89a") {
      self = .gif
    } else if begins("BM"), bytes.count >= 18, bytes[6] == 0, bytes[7] == 0, bytes[8] == 0, bytes[9] == 0 {
      self = .bmp
    } else if begins(bytes: [0x49, 0x49, 0x2A, 0]) || begins(bytes: [0x4D, 0x4D, 0, 0x2A]) {
      self = .tiff
    } else if begins("ftyp", at: 4) {
      // The brand of an ISO base media file (ISO/IEC 14496-12 §4.3).
      if begins("avif", at: 8) || begins("avis", at: 8) {
        self = .avif
      } else {
        guard ["heic", "heix", "hevc", "hevx", "heim", "heis", "mif1", "msf1"].contains(where: { begins($0, at: 8) }) else { return nil }
        self = .heic
      }
    } else if begins(bytes: [0xFF, 0x0A]) || begins(bytes: [0, 0, 0, 0x0C, 0x4A, 0x58, 0x4C, 0x20]) {
      self = .jpegXL
    } else if begins(bytes: [0, 0, 0, 0x0C, 0x6A, 0x50, 0x20, 0x20]) || begins(bytes: [0xFF, 0x4F, 0xFF, 0x51]) {
      self = .jpeg2000
    } else if begins("%PDF-") {
      self = .pdf
    } else if shims_is_lfs_pointer(bytes.baseAddress, bytes.count) {
      self = .gitLFSPointer
    } else if shims_is_html(bytes.baseAddress, bytes.count) {
      self = .html
    } else if shims_opens_tag(bytes.baseAddress, bytes.count, "<svg") || Self.isXMLOfSVG(bytes) {
      self = .svg
    } else {
      return nil
    }
  }

  /// Whether it is SVG that begins with an XML declaration, with comments or a document type before the tag.
  private static func isXMLOfSVG(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard shims_opens_tag(bytes.baseAddress, bytes.count, "<?xml") else { return false }
    let start = bytes.prefix(256)
    return start.indices.contains { i in
      shims_opens_tag(bytes.baseAddress.map { $0 + i }, start.count - i, "<svg")
        || shims_opens_tag(bytes.baseAddress.map { $0 + i }, start.count - i, "<!doctype svg")
    }
  }

  /// What the file is, as the end of a sentence.
  package var description: StaticString {
    switch self {
    case .empty: "it is empty"
    case .webP: "it is WebP"
    case .gif: "it is GIF"
    case .bmp: "it is BMP"
    case .tiff: "it is TIFF"
    case .heic: "it is HEIC"
    case .avif: "it is AVIF"
    case .jpegXL: "it is JPEG XL"
    case .jpeg2000: "it is JPEG 2000"
    case .svg: "it is SVG"
    case .pdf: "it is PDF"
    case .html: "it is an HTML page, so a download may have failed"
    case .gitLFSPointer: "it is a Git LFS pointer; the file itself is still to be fetched with git lfs pull"
    }
  }
}
