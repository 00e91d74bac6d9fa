// SPDX-License-Identifier: Apache-2.0
import Families
import Shims

/// No structure will ever be larger: this tells an uninitialised `struct_size` from a later version's.
private let largestStructure = 1 << 12

/// Reads an options structure into `known`, this library's version of it (all zero before). One from an older header is shorter: fields
/// it lacks stay zero. One from a newer header is longer, and must be zero beyond the fields that this library knows.
///
/// - Parameter first: size of the structure's first version, the smallest accepted.
func read<Structure>(
  _ given: UnsafePointer<Structure>?, into known: inout Structure, first: Int, _ name: StaticString
) throws(FoveaError) {
  guard let given else { return }
  let bytes = UnsafeRawPointer(given)
  let size = try structSize(bytes, first: first, name)
  let knownSize = MemoryLayout<Structure>.size
  for i in stride(from: knownSize, to: size, by: 1) where bytes.load(fromByteOffset: i, as: UInt8.self) != 0 {
    throw .argument("\(name)", "sets an option at byte \(i) that this version of the library does not know.")
  }
  withUnsafeMutableBytes(of: &known) { $0.copyMemory(from: UnsafeRawBufferPointer(start: bytes, count: min(size, knownSize))) }
}

/// Fills the caller's result structure up to its `struct_size`, which is kept; bytes beyond this library's version become zero.
func write<Structure>(
  _ known: Structure, to given: UnsafeMutablePointer<Structure>, first: Int, _ name: StaticString
) throws(FoveaError) {
  let bytes = UnsafeMutableRawPointer(given)
  let size = try structSize(bytes, first: first, name)
  let knownSize = MemoryLayout<Structure>.size
  withUnsafePointer(to: known) { bytes.copyMemory(from: $0, byteCount: min(size, knownSize)) }
  if size > knownSize { memset(bytes + knownSize, 0, size - knownSize) }
  bytes.storeBytes(of: size, as: Int.self)
}

/// The checked `struct_size` of a caller's structure.
func structSize(_ bytes: UnsafeRawPointer, first: Int, _ name: StaticString) throws(FoveaError) -> Int {
  let size = bytes.load(as: Int.self)
  guard size >= first, size <= largestStructure else {
    throw .argument("\(name)", "struct_size is \(UInt(bitPattern: size)); set it to the structure's sizeof, \(first) bytes or more.")
  }
  return size
}

/// Sizes of the structures in version 1.0, the smallest `struct_size` each can have. They never change.
enum FirstSize {
  static let loadOptions = 48
  static let memoryPlan = 56
  static let modelInfo = 88
  static let memoryUse = 80
  static let encodeOptions = 40
  static let imageInfo = 32
  static let imageView = 56
  static let sessionOptions = 16
  static let generateOptions = 104
  static let generateResult = 48
  static let region = 128
  static let message = 56
  static let request = 88
  static let answer = 80
  static let place = 72
}
