// SPDX-License-Identifier: Apache-2.0
import Shims

/// Kinds of file, told by their first bytes, that are found where another was expected.
package enum ForeignFile {
  case empty, gitLFSPointer, html, gguf, weightFile, safetensors, zip, pickle, program, picture, gzip, zstd, json

  /// Nil for an unknown kind. 256 bytes are enough.
  package init?(_ bytes: UnsafeRawBufferPointer) {
    func begins(_ text: StaticString) -> Bool { text.withUTF8Buffer { bytes.starts(with: $0) } }
    func begins(_ expected: [UInt8]) -> Bool { bytes.starts(with: expected) }

    if bytes.isEmpty {
      self = .empty
    } else if shims_is_lfs_pointer(bytes.baseAddress, bytes.count) {
      self = .gitLFSPointer
    } else if begins("GGUF") {
      self = .gguf
    } else if begins([0x89, 0x46, 0x4F, 0x56, 0x45, 0x41]) {
      self = .weightFile
    } else if begins("PK\u{3}\u{4}") {
      self = .zip
    } else if bytes.count > 9, bytes[8] == UInt8(ascii: "{"), bytes[6] == 0, bytes[7] == 0 {
      // The header's length in 8 bytes, then JSON.
      self = .safetensors
    } else if begins([0x80, 2]) || begins([0x80, 3]) || begins([0x80, 4]) {
      // Of protocol 2 or later, as PyTorch saved before 1.6.
      self = .pickle
    } else if begins("\u{7F}ELF") {
      self = .program
    } else if begins([0x89, 0x50, 0x4E, 0x47]) || begins([0xFF, 0xD8, 0xFF]) {
      self = .picture
    } else if begins([0x1F, 0x8B]) {
      self = .gzip
    } else if begins([0x28, 0xB5, 0x2F, 0xFD]) {
      self = .zstd
    } else if shims_is_html(bytes.baseAddress, bytes.count) {
      self = .html
    } else if begins("{") {
      self = .json
    } else {
      return nil
    }
  }

  /// Whether it stands in for a file that was not downloaded, whatever its name says.
  package var isUnfetched: Bool { self == .html || self == .gitLFSPointer }

  /// For an error where a weight file was expected: the kind with an article, and what to do where that is known.
  package var insteadOfWeightFile: StaticString {
    switch self {
    case .empty: "an empty file"
    case .gitLFSPointer: "a Git LFS pointer; the file itself is still to be fetched with git lfs pull"
    case .html: "an HTML page, so a download may have failed"
    case .gguf: "a GGUF model; make a weight file with fovea convert"
    case .weightFile: "a weight file"
    case .safetensors: "a safetensors file; make a weight file with fovea convert"
    case .zip: "a zip archive, as PyTorch saves checkpoints; make a weight file with fovea convert"
    case .pickle: "a pickle, as PyTorch saves checkpoints; make a weight file with fovea convert"
    case .program: "a program"
    case .picture: "a picture"
    case .gzip: "gzip data"
    case .zstd: "zstd data"
    case .json: "a JSON file; fovea convert takes the folder that it lies in"
    }
  }

  /// The same where a checkpoint was expected, which is a folder.
  package var insteadOfCheckpoint: StaticString {
    switch self {
    case .weightFile: "a weight file of Fovea already"
    case .safetensors, .zip, .pickle, .json: "a file of one; give the folder that it lies in"
    default: insteadOfWeightFile
    }
  }
}
