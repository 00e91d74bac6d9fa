// SPDX-License-Identifier: Apache-2.0

import Shims

/// The Exif orientation (tag 0x0112 of the first image directory) that a PNG or JPEG carries: 1 … 8, and 1 where there is
/// none or it makes no sense. JPEG: the first APP1 segment "Exif"; PNG: the chunk eXIf. Damage here is not an error.
func exifOrientation(of bytes: UnsafeRawBufferPointer, format: ImageFormat) -> Int {
  let reader = Reader(bytes: bytes)
  let block: Reader?
  switch format {
  case .png: block = reader.exifChunk()
  case .jpeg: block = reader.exifSegment()
  }
  return block?.orientation() ?? 1
}

/// Bounds-checked reads from untrusted bytes.
private struct Reader {
  let bytes: UnsafeRawBufferPointer
  var isLittle = false

  func byte(_ offset: Int) -> UInt8? {
    offset >= 0 && offset < bytes.count ? bytes[offset] : nil
  }

  func u16(_ offset: Int) -> Int? {
    guard let a = byte(offset), let b = byte(offset + 1) else { return nil }
    return isLittle ? Int(b) << 8 | Int(a) : Int(a) << 8 | Int(b)
  }

  func u32(_ offset: Int) -> Int? {
    guard let a = u16(offset), let b = u16(offset + 2) else { return nil }
    return isLittle ? b << 16 | a : a << 16 | b
  }

  func part(_ offset: Int, _ count: Int) -> Reader? {
    guard offset >= 0, count >= 0, offset <= bytes.count, count <= bytes.count - offset else { return nil }
    return Reader(bytes: UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count]))
  }

  /// PNG: 8 bytes of signature, then chunks: length, type, data, checksum.
  func exifChunk() -> Reader? {
    var offset = 8
    while let length = u32(offset), let type = u32(offset + 4) {
      if type == 0x6558_4966 { return part(offset + 8, length) }  // eXIf
      if type == 0x4945_4E44 { return nil }  // IEND
      offset += 12 + length
    }
    return nil
  }

  /// JPEG: segments FF type length data; the length counts itself. After SOS come coded data.
  func exifSegment() -> Reader? {
    var offset = 2
    while let mark = byte(offset), mark == 0xFF, let type = byte(offset + 1) {
      if type == 0xFF {  // a fill byte
        offset += 1
        continue
      }
      if type == 0xDA || type == 0xD9 { return nil }
      if type == 0x01 || (0xD0...0xD8).contains(type) {  // marks without data
        offset += 2
        continue
      }
      guard let length = u16(offset + 2), length >= 2 else { return nil }
      if type == 0xE1, u32(offset + 4) == 0x4578_6966, u16(offset + 8) == 0 {  // "Exif\0\0"
        return part(offset + 10, length - 8)
      }
      offset += 2 + length
    }
    return nil
  }

  /// TIFF header, then the first directory: a count and entries of 12 bytes (tag, type, count, value).
  func orientation() -> Int? {
    var tiff = self
    switch u16(0) {
    case 0x4949: tiff.isLittle = true
    case 0x4D4D: break
    default: return nil
    }
    guard tiff.u16(2) == 42, let directory = tiff.u32(4), let count = tiff.u16(directory) else { return nil }
    for i in 0..<count {
      let entry = directory + 2 + 12 * i
      guard let tag = tiff.u16(entry) else { return nil }
      guard tag == 0x0112 else { continue }
      guard tiff.u32(entry + 4) == 1 else { return nil }
      switch tiff.u16(entry + 2) {
      case 3: return tiff.u16(entry + 8)  // SHORT
      case 4: return tiff.u32(entry + 8)  // LONG
      default: return nil
      }
    }
    return nil
  }
}

extension RGBImage {
  /// The image turned and mirrored from how it is stored with Exif orientation `orientation` to how it is meant to be seen.
  /// 1 and numbers without a meaning give this image itself.
  package func turned(_ orientation: Int) throws(ImageError) -> RGBImage {
    guard (2...8).contains(orientation) else { return self }
    let swapsSides = orientation >= 5
    let result = try RGBImage(unwrittenWidth: swapsSides ? height : width, height: swapsSides ? width : height)
    // Where the stored pixel of the result's (0, 0) is, and how the stored pixel moves when x or y grows by one.
    let right = 3 * (width - 1), bottom = stride * (height - 1)
    let start: Int, alongX: Int, alongY: Int
    switch orientation {
    case 2: (start, alongX, alongY) = (right, -3, stride)
    case 3: (start, alongX, alongY) = (right + bottom, -3, -stride)
    case 4: (start, alongX, alongY) = (bottom, 3, -stride)
    case 5: (start, alongX, alongY) = (0, stride, 3)
    case 6: (start, alongX, alongY) = (bottom, -stride, 3)
    case 7: (start, alongX, alongY) = (right + bottom, -stride, -3)
    default: (start, alongX, alongY) = (right, stride, -3)
    }
    for y in 0..<result.height {
      var into = result.pixels + y * result.stride
      var from = start + y * alongY
      for _ in 0..<result.width {
        into[0] = pixels[from]
        into[1] = pixels[from + 1]
        into[2] = pixels[from + 2]
        into += 3
        from += alongX
      }
    }
    return result
  }
}
