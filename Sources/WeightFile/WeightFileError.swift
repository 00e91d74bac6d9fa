// SPDX-License-Identifier: Apache-2.0

/// Errors of reading a weight file, of requests to one, and of writing one. `file` is the path or the name given to the bytes;
/// offsets count from the start of the file. `description` is a sentence.
package enum WeightFileError: Error, Sendable {
  // Reaching the bytes.
  /// A system call failed; `operation` is "open", "map", "read", "create", "write", "sync" or "rename".
  case system(file: String, operation: StaticString, code: Int32)
  case notRegularFile(file: String, isFolder: Bool)
  case outOfMemory(file: String, bytes: Int)

  // The header.
  case truncated(file: String, expected: Int, found: Int)
  /// `found` is what the file is by its first bytes, where that is known.
  case wrongMagic(file: String, found: StaticString?)
  case wrongHeaderChecksum(file: String)
  case newerVersion(file: String, needed: Int, supported: Int)
  case invalidVersion(file: String, version: Int, minReaderVersion: Int)
  case trailingBytes(file: String, expected: Int, found: Int)
  case sectionOutOfBounds(file: String, section: Section, offset: UInt64, size: UInt64)
  case sectionTooLarge(file: String, section: Section, size: Int, limit: Int)
  case wrongSectionChecksum(file: String, section: Section, offset: Int)
  /// A section ends before, or goes on after, what its entries and counts say; `offset` is where.
  case wrongSectionSize(file: String, section: Section, offset: Int)
  case tooManyTensors(file: String, count: Int, limit: Int)

  // Metadata entries.
  case invalidMetadataKey(file: String, offset: Int)
  case unsortedMetadataKey(file: String, key: String)
  case duplicateMetadataKey(file: String, key: String)
  case unknownMetadataType(file: String, key: String, type: UInt32)
  /// The value's bytes are not what its type says: length, element count, a Bool beyond 1, text that is not UTF-8.
  case invalidMetadataValue(file: String, key: String, offset: Int)

  // Tensor entries. `tensor` is the name; `index` stands for it while the name is not known.
  case invalidTensorName(file: String, index: Int, offset: Int)
  case duplicateTensor(file: String, tensor: String)
  case unknownEncoding(file: String, tensor: String, value: UInt8)
  case unknownStorage(file: String, tensor: String, value: UInt8)
  case invalidRank(file: String, tensor: String, rank: Int)
  case invalidDimension(file: String, tensor: String, value: UInt64)
  case shapeOverflow(file: String, tensor: String)
  case invalidGroup(file: String, tensor: String, group: Int)
  /// The bytes a tensor has are not the bytes its shape and encoding take.
  case wrongTensorSize(file: String, tensor: String, expected: Int, found: Int)

  // Frame entries.
  case unknownCodec(file: String, tensor: String, frame: Int, value: UInt32)
  case frameOutOfBounds(file: String, tensor: String, frame: Int, offset: UInt64)
  case unsortedFrame(file: String, tensor: String, frame: Int, offset: Int)
  case overlappingFrame(file: String, tensor: String, frame: Int, offset: Int)
  case invalidFrameSize(file: String, tensor: String, frame: Int, stored: Int, decoded: Int)
  case frameNotWholeRows(file: String, tensor: String, frame: Int, decoded: Int, row: Int)
  case misalignedTensor(file: String, tensor: String, offset: Int)
  case scatteredTensor(file: String, tensor: String, frame: Int, offset: Int)

  // Data, found on decoding or by `verify`.
  case wrongFrameChecksum(file: String, tensor: String, frame: Int, offset: Int)
  case undecodableFrame(file: String, tensor: String, frame: Int, offset: Int)
  case nonzeroPadding(file: String, offset: Int)

  // What a reader asked for.
  case missingMetadata(file: String, key: String)
  case wrongMetadataType(file: String, key: String, expected: StaticString, found: StaticString)
  case metadataOutOfRange(file: String, key: String, value: Int, low: Int, high: Int)
  /// A value of the right type that no reader can use.
  case metadataMismatch(file: String, key: String, found: String, expected: String)
  case missingTensor(file: String, tensor: String)
  case shapeMismatch(file: String, tensor: String, expected: [Int], found: [Int])
  case encodingMismatch(file: String, tensor: String, expected: String, found: TensorEncoding)
  case noSuchFrame(file: String, tensor: String, frame: Int, count: Int)

  // Writing.
  /// The writer was used out of order: `problem` says how.
  case misuse(file: String, problem: StaticString)

  package enum Section: Sendable {
    case metadata, tensorTable
    package var name: String { self == .metadata ? "metadata" : "tensor table" }
  }
}
