// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles

/// Facts from a checkpoint's model card.
enum ModelCard {
  /// `license:` in the header of README.md.
  static func licence(_ checkpoint: OpenCheckpoint) throws -> String? {
    guard let path = checkpoint.file("README.md") else { return checkpoint.folders.lazy.compactMap(\.gguf).first?.licence }
    let file = try MappedFile(path: path)
    let text = file.withBytes { String(decoding: $0.prefix(1 << 16), as: UTF8.self) }
    let lines = text.split(omittingEmptySubsequences: false) { $0.isNewline }
    guard lines.first?.hasPrefix("---") == true else { return nil }
    for line in lines.dropFirst() {
      if line.hasPrefix("---") { return nil }
      guard line.hasPrefix("license:") else { continue }
      let value = line.dropFirst("license:".count).filter { $0 != "\"" && $0 != "'" }
      return String(value.drop { $0 == " " })
    }
    return nil
  }
}
