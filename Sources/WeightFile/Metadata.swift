// SPDX-License-Identifier: Apache-2.0

/// The typed key → value pairs of a weight file. Checked as a whole when the file is opened; values are decoded when asked for.
///
/// The getters give nil for a key that is absent or has another type. Settings are read through `Schema`, which tells the two apart.
package final class Metadata: @unchecked Sendable {
  package let file: String
  private let section: OwnedBytes
  /// Sorted by key bytes.
  private let entries: [Entry]

  private struct Entry {
    let key, value: UnsafeRawBufferPointer  // inside `section`
    let kind: MetadataValue.Kind
  }

  /// Checks every entry of `section`, which starts at `offset` in the file and should have `count` entries.
  init(_ section: OwnedBytes, offset: Int, count: UInt32, file: String) throws(WeightFileError) {
    var reader = ByteReader(section.base, count: section.count)
    var entries: [Entry] = []
    for _ in 0..<count {
      let start = offset + reader.position
      guard let keySize = reader.u32(), let type = reader.u32(), let valueSize = reader.u64(),
        let keySize = Int(exactly: keySize), let valueSize = Int(exactly: valueSize),
        let key = reader.bytes(keySize)
      else { throw .wrongSectionSize(file: file, section: .metadata, offset: start) }
      guard isName(key) else { throw .invalidMetadataKey(file: file, offset: start + Format.metadataEntrySize) }
      if let last = entries.last {
        let order = compareBytes(last.key, key)
        if order == 0 { throw .duplicateMetadataKey(file: file, key: text(key)) }
        if order > 0 { throw .unsortedMetadataKey(file: file, key: text(key)) }
      }
      guard let kind = MetadataValue.Kind(rawValue: type) else {
        throw .unknownMetadataType(file: file, key: text(key), type: type)
      }
      let valueStart = offset + reader.position
      guard let value = reader.bytes(valueSize) else {
        throw .wrongSectionSize(file: file, section: .metadata, offset: valueStart)
      }
      guard Metadata.isValid(value, kind) else {
        throw .invalidMetadataValue(file: file, key: text(key), offset: valueStart)
      }
      entries.append(Entry(key: key, value: value, kind: kind))
    }
    guard reader.remaining == 0 else {
      throw .wrongSectionSize(file: file, section: .metadata, offset: offset + reader.position)
    }
    self.file = file
    self.section = section
    self.entries = entries
  }

  private static func isValid(_ value: UnsafeRawBufferPointer, _ kind: MetadataValue.Kind) -> Bool {
    switch kind {
    case .bool: return value.count == 1 && value[0] <= 1
    case .int, .double: return value.count == 8
    case .string: return isUTF8(value)
    case .bytes: return true
    case .ints, .doubles: return value.count % 8 == 0
    case .strings, .byteStrings:
      return forEachItem(value) { kind == .byteStrings || isUTF8($0) }
    }
  }

  /// Calls `body` with each item of a list of strings; false when `body` says so or the items do not fill `value`.
  private static func forEachItem(_ value: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Bool) -> Bool {
    guard let base = value.baseAddress else { return true }
    var reader = ByteReader(base, count: value.count)
    while reader.remaining > 0 {
      guard let size = reader.u32(), let item = reader.bytes(Int(size)), body(item) else { return false }
    }
    return true
  }

  // MARK: Getters

  /// All keys, in byte order.
  package var keys: [String] { entries.map { text($0.key) } }

  /// The value of `key`, whatever its type.
  package func value(_ key: String) -> MetadataValue? {
    guard let entry = entry(key) else { return nil }
    return switch entry.kind {
    case .bool: .bool(entry.value[0] == 1)
    case .int: .int(Metadata.int(entry.value, 0))
    case .double: .double(Metadata.double(entry.value, 0))
    case .string: .string(text(entry.value))
    case .bytes: .bytes([UInt8](entry.value))
    case .ints: .ints((0..<entry.value.count / 8).map { Metadata.int(entry.value, $0) })
    case .doubles: .doubles((0..<entry.value.count / 8).map { Metadata.double(entry.value, $0) })
    case .strings: .strings(Metadata.items(entry.value) { text($0) })
    case .byteStrings: .byteStrings(Metadata.items(entry.value) { [UInt8]($0) })
    }
  }

  package func bool(_ key: String) -> Bool? { if case .bool(let x)? = value(key) { x } else { nil } }
  package func int(_ key: String) -> Int? { if case .int(let x)? = value(key) { x } else { nil } }
  package func double(_ key: String) -> Double? { if case .double(let x)? = value(key) { x } else { nil } }
  package func string(_ key: String) -> String? { if case .string(let x)? = value(key) { x } else { nil } }
  package func bytes(_ key: String) -> [UInt8]? { if case .bytes(let x)? = value(key) { x } else { nil } }
  package func ints(_ key: String) -> [Int]? { if case .ints(let x)? = value(key) { x } else { nil } }
  package func doubles(_ key: String) -> [Double]? { if case .doubles(let x)? = value(key) { x } else { nil } }
  package func strings(_ key: String) -> [String]? { if case .strings(let x)? = value(key) { x } else { nil } }
  /// The items of a list of strings or of byte strings, as bytes.
  package func byteStrings(_ key: String) -> [[UInt8]]? {
    guard let entry = entry(key), entry.kind == .strings || entry.kind == .byteStrings else { return nil }
    return Metadata.items(entry.value) { [UInt8]($0) }
  }

  private func entry(_ key: String) -> Entry? {
    var key = key
    return key.withUTF8 { key in
      let key = UnsafeRawBufferPointer(key)
      var (low, high) = (0, entries.count)
      while low < high {
        let middle = (low + high) / 2
        let order = compareBytes(entries[middle].key, key)
        if order == 0 { return entries[middle] }
        if order < 0 { low = middle + 1 } else { high = middle }
      }
      return nil
    }
  }

  private static func int(_ value: UnsafeRawBufferPointer, _ i: Int) -> Int {
    Int(Int64(littleEndian: value.loadUnaligned(fromByteOffset: 8 * i, as: Int64.self)))
  }

  private static func double(_ value: UnsafeRawBufferPointer, _ i: Int) -> Double {
    Double(bitPattern: UInt64(littleEndian: value.loadUnaligned(fromByteOffset: 8 * i, as: UInt64.self)))
  }

  private static func items<T>(_ value: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> T) -> [T] {
    var items: [T] = []
    _ = forEachItem(value) {
      items.append(body($0))
      return true
    }
    return items
  }
}
