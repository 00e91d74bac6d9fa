// SPDX-License-Identifier: Apache-2.0

/// One entry of a file's tensor table, checked: `byteCount` is what shape, encoding and group take.
package struct TensorRecord: Sendable {
  package let name: String
  /// Outermost first, every dimension at least 1.
  package let shape: [Int]
  package let encoding: TensorEncoding
  /// Inputs per scale; 0 for float encodings.
  package let group: Int
  /// Whether the tensor has to be decoded frame by frame. Otherwise `WeightFile.rawBytes` is the tensor.
  package let isCompressed: Bool
  /// Bytes decoded.
  package let byteCount: Int
  /// Bytes in the file.
  package let storedByteCount: Int
  /// The tensor's frames in `WeightFile.frames`.
  let frames: Range<Int>

  /// The packed layout of the matrix, or of each of the `matrixCount` matrices; nil for plain encodings.
  package var layout: PackedLayout? {
    guard encoding.isPacked, shape.count >= 2 else { return nil }
    return PackedLayout(encoding: encoding, outputs: shape[shape.count - 2], inputs: shape[shape.count - 1], group: group)
  }

  /// Matrices of a packed tensor, one after another: 1, or the first of three dimensions.
  package var matrixCount: Int { shape.count == 3 ? shape[0] : 1 }

  package var elementCount: Int { shape.reduce(1, &*) }
}

/// One entry of a tensor's frame table, checked.
struct Frame {
  /// Where the stored bytes are in the file.
  let offset: Int
  let storedSize: Int
  /// Where the decoded bytes are in the tensor.
  let decodedOffset: Int
  let decodedSize: Int
  let codec: FrameCodec
  /// xxh64 of the stored bytes.
  let checksum: UInt64
}

/// How a frame's bytes are stored. The raw values are the file format's.
enum FrameCodec: UInt32 {
  case raw = 0
  case zstd = 1
  /// All first bytes, then all second bytes of 2-byte elements, then zstd; likewise for 4-byte elements.
  case zstdPlanes2 = 2
  case zstdPlanes4 = 3

  /// Bytes of an element that is split into byte planes; 1 without planes.
  var planes: Int {
    switch self {
    case .raw, .zstd: 1
    case .zstdPlanes2: 2
    case .zstdPlanes4: 4
    }
  }
}

/// The bytes a shape takes in an encoding.
struct TensorSize {
  let byteCount: Int
  /// Bytes of one row: of a block of 16 rows for packed encodings, of the innermost dimension for plain ones.
  let rowSize: Int

  /// Oldest reader that knows the shape.
  let minReaderVersion: UInt32

  /// - Parameter version: the file's `minReaderVersion`, which decides what it may hold.
  /// - Throws: `.invalidRank`, `.invalidDimension`, `.invalidGroup` or `.shapeOverflow` in the name of `tensor` of `file`.
  init(
    _ shape: [Int], _ encoding: TensorEncoding, group: Int, tensor: String, file: String, version: UInt32 = Format.version
  ) throws(WeightFileError) {
    minReaderVersion =
      encoding.codes?.scale == .byteOfRow
      ? Format.smallGroupsVersion : encoding.isPacked && shape.count == 3 ? Format.stackedMatricesVersion : Format.oldestVersion
    guard shape.count >= 1, shape.count <= Format.highestRank, !encoding.isPacked || (2...3).contains(shape.count),
      minReaderVersion <= version
    else { throw .invalidRank(file: file, tensor: tensor, rank: shape.count) }
    for n in shape where n < 1 {
      throw .invalidDimension(file: file, tensor: tensor, value: UInt64(bitPattern: Int64(n)))
    }
    guard PackedLayout.isGroup(group, for: encoding) else {
      throw .invalidGroup(file: file, tensor: tensor, group: group)
    }
    if encoding.isPacked {
      guard let layout = PackedLayout(encoding: encoding, outputs: shape[shape.count - 2], inputs: shape[shape.count - 1], group: group),
        let size = checkedProduct(layout.byteCount, shape.count == 3 ? shape[0] : 1)
      else { throw .shapeOverflow(file: file, tensor: tensor) }
      byteCount = size
      rowSize = layout.blockStride
    } else {
      var size: Int? = encoding.elementSize
      var row = 0
      for n in shape.reversed() {
        size = size.flatMap { checkedProduct($0, n) }
        if row == 0 { row = size ?? 0 }
      }
      guard let size else { throw .shapeOverflow(file: file, tensor: tensor) }
      byteCount = size
      rowSize = row
    }
  }
}
