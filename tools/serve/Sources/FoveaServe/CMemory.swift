// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Texts and arrays for C, with the lifetime of this object.
final class CMemory {
  private var blocks: [UnsafeMutableRawPointer] = []

  deinit { for block in blocks { free(block) } }

  func text(_ text: String) -> UnsafePointer<CChar>? {
    guard let copy = strdup(text) else { return nil }
    blocks.append(copy)
    return UnsafePointer(copy)
  }

  /// nil for an empty array. For plain C values only.
  func array<Element>(_ values: [Element]) -> UnsafePointer<Element>? {
    guard !values.isEmpty, let block = malloc(values.count * MemoryLayout<Element>.stride) else { return nil }
    blocks.append(block)
    let out = block.bindMemory(to: Element.self, capacity: values.count)
    out.initialize(from: values, count: values.count)
    return UnsafePointer(out)
  }
}

extension CMemory {
  /// Pointers to texts, for fields of type `const char *const *`.
  func texts(_ texts: [String]) -> UnsafePointer<UnsafePointer<CChar>?>? { array(texts.map { text($0) }) }
}
