// SPDX-License-Identifier: Apache-2.0

/// What a file that is no weight file is by its first bytes, for messages: "a GGUF model". Nil for what is not known.
func foreignFileKind(_ bytes: UnsafeRawBufferPointer) -> StaticString? {
  func begins(_ text: StaticString, at offset: Int = 0) -> Bool {
    guard offset + text.utf8CodeUnitCount <= bytes.count else { return false }
    return text.withUTF8Buffer { bytes[offset..<offset + $0.count].elementsEqual($0) }
  }
  func begins(bytes expected: [UInt8]) -> Bool { bytes.starts(with: expected) }

  if bytes.isEmpty { return "an empty file" }
  if begins("version https://git-lfs.github.com/") { return "a Git LFS pointer; the file itself is still to be fetched with git lfs pull" }
  if begins("GGUF") { return "a GGUF model; convert the original checkpoint" }
  if begins("PK\u{3}\u{4}") { return "a zip archive, as PyTorch saves checkpoints; make a weight file with fovea convert" }
  // safetensors: the header's length in 8 bytes, then JSON.
  if bytes.count > 9, bytes[8] == UInt8(ascii: "{"), bytes[6] == 0, bytes[7] == 0 {
    return "a safetensors file; make a weight file with fovea convert"
  }
  // A pickle of protocol 2 or later, as PyTorch saved before 1.6.
  if begins(bytes: [0x80, 2]) || begins(bytes: [0x80, 3]) || begins(bytes: [0x80, 4]) {
    return "a pickle, as PyTorch saves checkpoints; make a weight file with fovea convert"
  }
  if begins("\u{7F}ELF") { return "a program" }
  if begins(bytes: [0x89, 0x50, 0x4E, 0x47]) || begins(bytes: [0xFF, 0xD8, 0xFF]) { return "a picture" }
  if begins(bytes: [0x1F, 0x8B]) { return "gzip data" }
  if begins(bytes: [0x28, 0xB5, 0x2F, 0xFD]) { return "zstd data" }
  if looksLikeHTML(bytes) { return "an HTML page, so a download may have failed" }
  if begins("{") { return "a JSON file; fovea convert takes the folder that it lies in" }
  return nil
}

/// Whether the first bytes, blanks left out, open an HTML page.
private func looksLikeHTML(_ bytes: UnsafeRawBufferPointer) -> Bool {
  let isBlank: (UInt8) -> Bool = { $0 == 0x20 || (0x09...0x0D).contains($0) }
  let start = bytes.prefix(256).drop(while: isBlank)
  for tag in ["<!doctype html", "<html"] as [StaticString] {
    let isOne = tag.withUTF8Buffer { tag in start.count >= tag.count && zip(start, tag).allSatisfy { $0 | 0x20 == $1 | 0x20 } }
    if isOne { return true }
  }
  return false
}
