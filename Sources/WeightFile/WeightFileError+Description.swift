// SPDX-License-Identifier: Apache-2.0
import Shims

extension WeightFileError: CustomStringConvertible {
  /// One plain sentence: the file, the tensor or key, the place, and what was expected.
  package var description: String {
    switch self {
    case .system(let file, let operation, let code):
      "\(file): cannot \(text(operation)): \(String(cString: strerror(code)))"
    case .notRegularFile(let file, true):
      "\(file): a folder, not a regular file; `fovea convert` makes a weight file of a checkpoint's folder"
    case .notRegularFile(let file, false):
      "\(file): not a regular file"
    case .outOfMemory(let file, let bytes):
      "\(file): out of memory (\(bytes) bytes asked)"
    case .truncated(let file, let expected, 0):
      "\(file): empty: 0 bytes of \(expected)"
    case .truncated(let file, let expected, let found):
      "\(file): truncated: \(found) bytes of \(expected)"
    case .wrongMagic(let file, let found):
      "\(file): not a Fovea weight file" + (found.map { ": it is \(text($0))" } ?? "")
    case .wrongHeaderChecksum(let file):
      "\(file): the header is damaged (wrong checksum)"
    case .newerVersion(let file, let needed, let supported):
      "\(file): needs a reader of format version \(needed); this one reads up to \(supported)"
    case .invalidVersion(let file, let version, let minReaderVersion):
      "\(file): impossible format version \(version) (readable from \(minReaderVersion))"
    case .trailingBytes(let file, let expected, let found):
      "\(file): \(found) bytes, but the header says \(expected)"
    case .sectionOutOfBounds(let file, let section, let offset, let size):
      "\(file): the \(section.name) (\(size) bytes at offset \(offset)) does not lie where the file has room for it"
    case .sectionTooLarge(let file, let section, let size, let limit):
      "\(file): the \(section.name) has \(size) bytes; at most \(limit) are allowed"
    case .wrongSectionChecksum(let file, let section, let offset):
      "\(file): the \(section.name) at offset \(offset) is damaged (wrong checksum)"
    case .wrongSectionSize(let file, let section, let offset):
      "\(file): the \(section.name) does not end where its entries do (offset \(offset))"
    case .tooManyTensors(let file, let count, let limit):
      "\(file): \(count) tensors; at most \(limit) are allowed"
    case .invalidMetadataKey(let file, let offset):
      "\(file): invalid metadata key at offset \(offset)"
    case .unsortedMetadataKey(let file, let key):
      "\(file): metadata key \(key) is out of order"
    case .duplicateMetadataKey(let file, let key):
      "\(file): metadata key \(key) appears twice"
    case .unknownMetadataType(let file, let key, let type):
      "\(file): metadata \(key) has unknown type \(type)"
    case .invalidMetadataValue(let file, let key, let offset):
      "\(file): metadata \(key) has an invalid value at offset \(offset)"
    case .invalidTensorName(let file, let index, let offset):
      "\(file): tensor \(index) has an invalid name at offset \(offset)"
    case .missingMetadata(let file, let key):
      "\(file): metadata \(key) is missing"
    case .wrongMetadataType(let file, let key, let expected, let found):
      "\(file): metadata \(key) is \(text(found)), not \(text(expected))"
    case .metadataOutOfRange(let file, let key, let value, let low, let high):
      "\(file): metadata \(key) is \(value), not in \(low) … \(high)"
    case .nonzeroPadding(let file, let offset):
      "\(file): damaged at offset \(offset) (padding is not zero)"
    case .misuse(let file, let problem):
      "\(file): \(text(problem))"
    default:
      tensorDescription
    }
  }

  private var tensorDescription: String {
    switch self {
    case .duplicateTensor(let file, let tensor):
      "\(file): tensor \(tensor) appears twice"
    case .unknownEncoding(let file, let tensor, let value):
      "\(file): tensor \(tensor) has unknown encoding \(value)"
    case .unknownStorage(let file, let tensor, let value):
      "\(file): tensor \(tensor) has unknown storage kind \(value)"
    case .invalidRank(let file, let tensor, let rank):
      "\(file): tensor \(tensor) has \(rank) dimensions, which its encoding does not allow"
    case .invalidDimension(let file, let tensor, let value):
      "\(file): tensor \(tensor) has a dimension of \(value)"
    case .shapeOverflow(let file, let tensor):
      "\(file): tensor \(tensor) has a shape too large to address"
    case .invalidGroup(let file, let tensor, let group):
      "\(file): tensor \(tensor) has quantization group \(group), which its encoding does not allow"
    case .wrongTensorSize(let file, let tensor, let expected, let found):
      "\(file): tensor \(tensor) has \(found) bytes; its shape and encoding take \(expected)"
    case .unknownCodec(let file, let tensor, let frame, let value):
      "\(file): tensor \(tensor), frame \(frame) has unknown codec \(value)"
    case .frameOutOfBounds(let file, let tensor, let frame, let offset):
      "\(file): tensor \(tensor), frame \(frame) at offset \(offset) lies outside the data"
    case .unsortedFrame(let file, let tensor, let frame, let offset):
      "\(file): tensor \(tensor), frame \(frame) at offset \(offset) comes before the frame ahead of it"
    case .overlappingFrame(let file, let tensor, let frame, let offset):
      "\(file): tensor \(tensor), frame \(frame) at offset \(offset) overlaps the frame ahead of it"
    case .invalidFrameSize(let file, let tensor, let frame, let stored, let decoded):
      "\(file): tensor \(tensor), frame \(frame) has impossible sizes (\(stored) bytes for \(decoded))"
    case .frameNotWholeRows(let file, let tensor, let frame, let decoded, let row):
      "\(file): tensor \(tensor), frame \(frame) of \(decoded) bytes is not whole rows of \(row)"
    case .misalignedTensor(let file, let tensor, let offset):
      "\(file): tensor \(tensor) at offset \(offset) is not aligned to 64 bytes"
    case .scatteredTensor(let file, let tensor, let frame, let offset):
      "\(file): tensor \(tensor) is to be used in place, but frame \(frame) at offset \(offset) does not follow the one ahead"
    case .wrongFrameChecksum(let file, let tensor, let frame, let offset):
      "\(file): tensor \(tensor), frame \(frame) at offset \(offset) is damaged (wrong checksum)"
    case .undecodableFrame(let file, let tensor, let frame, let offset):
      "\(file): tensor \(tensor), frame \(frame) at offset \(offset) cannot be decompressed"
    case .metadataMismatch(let file, let key, let found, let expected):
      "\(file): metadata \(key) is \(found), expected \(expected)"
    case .missingTensor(let file, let tensor):
      "\(file): tensor \(tensor) is missing"
    case .shapeMismatch(let file, let tensor, let expected, let found):
      "\(file): tensor \(tensor) has shape \(shapeText(found)), not \(shapeText(expected))"
    case .encodingMismatch(let file, let tensor, let expected, let found):
      "\(file): tensor \(tensor) is stored as \(found.name), not \(expected)"
    case .noSuchFrame(let file, let tensor, let frame, let count):
      "\(file): tensor \(tensor) has \(count) frames, no frame \(frame)"
    default:
      "unknown weight file error"
    }
  }
}

private func text(_ s: StaticString) -> String { s.withUTF8Buffer { String(decoding: $0, as: UTF8.self) } }

private func shapeText(_ shape: [Int]) -> String {
  var s = "["
  for (i, n) in shape.enumerated() { s += i == 0 ? "\(n)" : ", \(n)" }
  return s + "]"
}
