// SPDX-License-Identifier: Apache-2.0

/// What a file is that stands where a checkpoint's file should, by its first bytes.
enum ForeignFile {
  case gguf, safetensors, weightFile, zip, html, gitLFSPointer

  init?(_ bytes: UnsafeRawBufferPointer) {
    func begins(_ text: StaticString) -> Bool {
      bytes.count >= text.utf8CodeUnitCount && (0..<text.utf8CodeUnitCount).allSatisfy { bytes[$0] == text.utf8Start[$0] }
    }
    if begins("GGUF") {
      self = .gguf
    } else if bytes.prefix(6).elementsEqual([0x89, 0x46, 0x4F, 0x56, 0x45, 0x41]) {
      self = .weightFile
    } else if begins("PK\u{3}\u{4}") {
      self = .zip
    } else if begins("version https://git-lfs.github.com/spec/") {
      self = .gitLFSPointer
    } else if begins("<!DOCTYPE html") || begins("<!doctype html") || begins("<html") {
      self = .html
    } else if bytes.count > 9, bytes[8] == UInt8(ascii: "{") {
      self = .safetensors
    } else {
      return nil
    }
  }

  /// Whether it is what remains of a file that was not fetched, whatever its name says.
  var isInPlaceOfAnother: Bool { self == .html || self == .gitLFSPointer }

  /// With an article, and what to do where that is known.
  var name: String {
    switch self {
    case .gguf: "a GGUF file, which is not read; convert the checkpoint that it was made from"
    case .safetensors: "a safetensors file; give the folder that it lies in"
    case .weightFile: "a weight file of Fovea already"
    case .zip: "a ZIP or PyTorch file; give the folder that it lies in"
    case .html: "a web page; the download failed"
    case .gitLFSPointer: "a Git LFS pointer, not the file itself; run git lfs pull"
    }
  }
}
