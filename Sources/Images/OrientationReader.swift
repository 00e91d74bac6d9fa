// SPDX-License-Identifier: Apache-2.0

import ImageCodecs
import Shims

/// The orientation that a PNG or JPEG carries, as Pillow's `exif_transpose` finds it: in Exif (JPEG: the APP1 segments; PNG: the chunk
/// eXIf or the text "Raw profile type exif"), else in XMP (`tiff:Orientation`). Damage here is not an error.
func exifOrientation(of bytes: UnsafeRawBufferPointer, format: ImageFormat) -> Orientation {
  let parts = format == .png ? pngMetadata(bytes) : jpegMetadata(bytes)
  // A `Reader` does not keep its bytes alive.
  defer { withExtendedLifetime(parts) {} }
  // Some writers put "Exif\0\0" in front twice.
  if let exif = parts.exif?.bytes.without(exifMark).without(exifMark), exif.count > 0 {
    // Pillow gives up on invalid Exif.
    guard let directory = TIFFDirectory(exif) else { return .upright }
    if case .number(let found) = directory.orientation() { return Orientation(exif: found) }
  }
  return Orientation(exif: parts.xmp.flatMap { xmpOrientation($0.bytes) } ?? 1)
}

/// The metadata that may hold an orientation.
private struct PictureMetadata {
  var exif, xmp: Bytes?
}

/// Bytes of the file, or bytes of their own.
private final class Bytes {
  let bytes: Reader
  private let memory: UnsafeMutableRawPointer?

  init(_ bytes: Reader) {
    self.bytes = bytes
    memory = nil
  }

  /// Takes ownership of `memory`, which came from malloc.
  init(_ memory: UnsafeMutableRawPointer, count: Int) {
    bytes = Reader(UnsafeRawBufferPointer(start: memory, count: count))
    self.memory = memory
  }

  /// Concatenates both; nil: no memory.
  convenience init?(_ a: Bytes, _ b: Reader) {
    let count = a.bytes.count + b.count
    guard let memory = malloc(max(1, count)) else { return nil }
    a.bytes.copy(to: memory)
    b.copy(to: memory + a.bytes.count)
    self.init(memory, count: count)
  }

  deinit { free(memory) }
}

/// Most segments or chunks that are looked at, and most bytes of Exif that are joined: real files have far fewer, and a hostile file must not take
/// long.
private let mostParts = 1 << 16, mostExif = 1 << 20

/// PNG: 8 bytes of signature, then chunks: length, type, data, checksum. The last one of a kind counts, also after the pixels.
private func pngMetadata(_ bytes: UnsafeRawBufferPointer) -> PictureMetadata {
  let file = Reader(bytes)
  var found = PictureMetadata(), profile: Reader?, xmp: Reader?
  var offset = 8
  for _ in 0..<mostParts {
    guard let length = file.u32(offset), let type = file.u32(offset + 4), let data = file.part(offset + 8, length) else { break }
    if type == 0x4945_4E44 { break }  // IEND
    if type == 0x6558_4966 { found.exif = Bytes(data) }  // eXIf
    if [0x7445_5874, 0x7A54_5874, 0x6954_5874].contains(type), let chunk = file.part(offset, 12 + length) {  // tEXt, zTXt, iTXt
      if data.begins(with: "Raw profile type exif\0") { profile = chunk }
      if data.begins(with: "XML:com.adobe.xmp\0") { xmp = chunk }
    }
    offset += 12 + length
  }
  if found.exif == nil { found.exif = profile.flatMap(pngText).flatMap { profileBytes($0.bytes) } }
  found.xmp = xmp.flatMap(pngText)
  return found
}

private func pngText(_ chunk: Reader) -> Bytes? {
  var length = 0
  let text = chunk.withBytes { codecPNGText($0, chunk.count, &length) }
  return text.map { Bytes(UnsafeMutableRawPointer($0), count: length) }
}

/// ImageMagick's form of a binary profile: an empty line, its name, its length, then lines of hexadecimal digits. Nil: it is not.
private func profileBytes(_ text: Reader) -> Bytes? {
  guard let memory = malloc(max(1, text.count)) else { return nil }
  let result = memory.bindMemory(to: UInt8.self, capacity: max(1, text.count))
  var lines = 0, digits = 0
  for i in 0..<text.count {
    guard let letter = text.byte(i) else { continue }
    if letter == 0x0A { lines += 1 }
    if lines < 3 || letter == 0x20 || (0x09...0x0D).contains(letter) { continue }
    let value: UInt8
    switch letter {
    case 0x30...0x39: value = letter - 0x30
    case 0x41...0x46: value = letter - 0x41 + 10
    case 0x61...0x66: value = letter - 0x61 + 10
    default:
      free(memory)
      return nil
    }
    result[digits / 2] = digits % 2 == 0 ? value << 4 : result[digits / 2] | value
    digits += 1
  }
  return Bytes(memory, count: digits / 2)
}

/// JPEG: segments FF type length data; the length counts itself. After SOS come coded data. Exif may go on in several segments.
private func jpegMetadata(_ bytes: UnsafeRawBufferPointer) -> PictureMetadata {
  let file = Reader(bytes)
  var found = PictureMetadata()
  var offset = 2
  for _ in 0..<mostParts {
    guard let mark = file.byte(offset), let type = file.byte(offset + 1) else { break }
    if mark != 0xFF || type == 0xFF {  // a byte between segments, or one of filling
      offset += 1
      continue
    }
    if type == 0 || type == 0x01 || (0xD0...0xD9).contains(type) {  // marks without data
      offset += 2
      continue
    }
    guard type != 0xDA, let length = file.u16(offset + 2), length >= 2, let data = file.part(offset + 4, length - 2) else { break }
    if type == 0xE1, data.begins(with: exifMark) {
      if let before = found.exif {
        if before.bytes.count < mostExif { found.exif = Bytes(before, data.without(exifMark)) ?? before }
      } else {
        found.exif = Bytes(data)
      }
    } else if type == 0xE1, data.begins(with: "http://ns.adobe.com/xap/1.0/\0"), let rest = data.part(29, data.count - 29) {
      found.xmp = Bytes(rest)
    }
    offset += 2 + length
  }
  return found
}

/// The digit after the first `tiff:Orientation="` or `tiff:Orientation>`.
private func xmpOrientation(_ xmp: Reader) -> Int? {
  let name: StaticString = "tiff:Orientation"
  let length = name.utf8CodeUnitCount
  var i = 0
  while i + length < xmp.count {
    if xmp.byte(i) == 0x74, let rest = xmp.part(i, xmp.count - i), rest.begins(with: name) {
      let digit = rest.begins(with: "tiff:Orientation=\"") ? rest.byte(length + 2) : rest.byte(length) == 0x3E ? rest.byte(length + 1) : nil
      if let digit, (0x30...0x39).contains(digit) { return Int(digit) - 0x30 }
    }
    i += 1
  }
  return nil
}
