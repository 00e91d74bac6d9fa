// SPDX-License-Identifier: Apache-2.0

/// Everything in a file but its data.
struct FileContents {
  let header: Header
  let metadata: Metadata
  let tensors: TensorTable
}

/// Every load passes through this function; what it returns needs no further checks. FORMAT.md §7 lists them in this order.
func validate(_ source: ByteSource) throws(WeightFileError) -> FileContents {
  let header = try Header(source)
  let metadata = try Metadata(
    try source.section(header.metadata, .metadata), offset: header.metadata.offset, count: header.metadataCount, file: source.name)
  let tensors = try TensorTable(
    try source.section(header.tensorTable, .tensorTable), offset: header.tensorTable.offset, count: Int(header.tensorCount),
    data: Format.headerSize..<header.metadata.offset, version: header.minReaderVersion, file: source.name)
  return FileContents(header: header, metadata: metadata, tensors: tensors)
}

/// The tensor table, checked (FORMAT.md §5 and §6).
struct TensorTable {
  private(set) var records: [TensorRecord] = []
  private(set) var frames: [Frame] = []
  /// Positions in `records`, sorted by name.
  private(set) var byName: [Int] = []

  /// - Parameters:
  ///   - offset: where `section` is in the file.
  ///   - data: the part of the file where frames may be.
  ///   - version: the file's `minReaderVersion`.
  init(
    _ section: OwnedBytes, offset: Int, count: Int, data: Range<Int>, version: UInt32, file: String
  ) throws(WeightFileError) {
    var parser = TableParser(
      reader: ByteReader(section.base, count: section.count), start: offset, data: data, version: version, file: file)
    for index in 0..<count { records.append(try parser.tensor(index)) }
    guard parser.reader.remaining == 0 else {
      throw .wrongSectionSize(file: file, section: .tensorTable, offset: offset + parser.reader.position)
    }
    frames = parser.frames
    let records = records
    byName = records.indices.sorted { compareNames(records[$0].name, records[$1].name) < 0 }
    for (a, b) in zip(byName, byName.dropFirst()) where compareNames(records[a].name, records[b].name) == 0 {
      throw .duplicateTensor(file: file, tensor: records[b].name)
    }
  }
}

private struct TableParser {
  var reader: ByteReader
  /// Where the table is in the file.
  let start: Int
  let data: Range<Int>
  let version: UInt32
  let file: String
  var frames: [Frame] = []
  /// The frame before the next one, over all tensors.
  var last: Frame?

  init(reader: ByteReader, start: Int, data: Range<Int>, version: UInt32, file: String) {
    self.reader = reader
    self.start = start
    self.data = data
    self.version = version
    self.file = file
  }

  private var tooShort: WeightFileError { .wrongSectionSize(file: file, section: .tensorTable, offset: start + reader.position) }

  mutating func tensor(_ index: Int) throws(WeightFileError) -> TensorRecord {
    guard let nameSize = reader.u32(), let encodingByte = reader.u8(), let storage = reader.u8(), let rank = reader.u8(),
      reader.u8() != nil, let group = reader.u32(), let frameCount = reader.u32(), let size = reader.u64()
    else { throw tooShort }
    let nameStart = start + reader.position
    guard let nameBytes = reader.bytes(Int(nameSize)) else { throw tooShort }
    guard isName(nameBytes) else { throw .invalidTensorName(file: file, index: index, offset: nameStart) }
    let name = text(nameBytes)

    guard let encoding = TensorEncoding(rawValue: encodingByte), encoding.codes?.scale != .byteOfRow || version >= Format.smallGroupsVersion else {
      throw .unknownEncoding(file: file, tensor: name, value: encodingByte)
    }
    guard storage <= 1 else { throw .unknownStorage(file: file, tensor: name, value: storage) }
    guard rank >= 1, Int(rank) <= Format.highestRank else { throw .invalidRank(file: file, tensor: name, rank: Int(rank)) }
    var shape: [Int] = []
    for _ in 0..<rank {
      guard let n = reader.u64() else { throw tooShort }
      guard n >= 1, let n = Int(exactly: n) else { throw .invalidDimension(file: file, tensor: name, value: n) }
      shape.append(n)
    }
    let expected = try TensorSize(shape, encoding, group: Int(group), tensor: name, file: file, version: version)
    guard size == UInt64(expected.byteCount) else {
      throw .wrongTensorSize(file: file, tensor: name, expected: expected.byteCount, found: Int(clamping: size))
    }

    let first = frames.count
    var decoded = 0
    var stored = 0
    for i in 0..<Int(frameCount) {
      let frame = try frame(i, of: name, storage: storage, at: decoded, expected)
      if storage == 0 {
        if i == 0, frame.offset % Format.alignment != 0 {
          throw .misalignedTensor(file: file, tensor: name, offset: frame.offset)
        }
        if i > 0, let last, last.offset + last.storedSize != frame.offset {
          throw .scatteredTensor(file: file, tensor: name, frame: i, offset: frame.offset)
        }
      }
      // Neither sum can overflow: `decoded` stays within the tensor's size, `stored` within the file's.
      decoded += frame.decodedSize
      stored += frame.storedSize
      frames.append(frame)
      last = frame
    }
    guard decoded == expected.byteCount else {
      throw .wrongTensorSize(file: file, tensor: name, expected: expected.byteCount, found: decoded)
    }
    return TensorRecord(
      name: name, shape: shape, encoding: encoding, group: Int(group), isCompressed: storage == 1, byteCount: decoded,
      storedByteCount: stored, frames: first..<frames.count)
  }

  /// Frame `i` of a tensor whose frames so far decode to `decodedOffset` bytes.
  private mutating func frame(
    _ i: Int, of tensor: String, storage: UInt8, at decodedOffset: Int, _ size: TensorSize
  ) throws(WeightFileError) -> Frame {
    guard let offset = reader.u64(), let checksum = reader.u64(), let storedSize = reader.u32(), let decodedSize = reader.u32(),
      let codecNumber = reader.u32(), reader.u32() != nil
    else { throw tooShort }
    guard let codec = FrameCodec(rawValue: codecNumber) else {
      throw .unknownCodec(file: file, tensor: tensor, frame: i, value: codecNumber)
    }
    let (stored, decoded) = (Int(storedSize), Int(decodedSize))
    let (end, overflow) = offset.addingReportingOverflow(UInt64(storedSize))
    guard !overflow, offset >= UInt64(data.lowerBound), end <= UInt64(data.upperBound) else {
      throw .frameOutOfBounds(file: file, tensor: tensor, frame: i, offset: offset)
    }
    let place = Int(offset)
    if let last {
      if place < last.offset { throw .unsortedFrame(file: file, tensor: tensor, frame: i, offset: place) }
      if place < last.offset + last.storedSize { throw .overlappingFrame(file: file, tensor: tensor, frame: i, offset: place) }
    }
    // Compressed bytes never outnumber decoded ones (such a frame is stored raw), and no frame is so large that decoding it
    // from a small file could hurt.
    guard stored >= 1, decoded >= 1, stored <= decoded, decoded <= Format.largestFrame, decoded % codec.planes == 0,
      decoded <= size.byteCount - decodedOffset, codec != .raw || stored == decoded, storage == 1 || codec == .raw
    else { throw .invalidFrameSize(file: file, tensor: tensor, frame: i, stored: stored, decoded: decoded) }
    if storage == 1 {
      guard decoded % size.rowSize == 0 else {
        throw .frameNotWholeRows(file: file, tensor: tensor, frame: i, decoded: decoded, row: size.rowSize)
      }
      guard decoded <= Format.largestSharedFrame || decoded == size.rowSize else {
        throw .invalidFrameSize(file: file, tensor: tensor, frame: i, stored: stored, decoded: decoded)
      }
    }
    return Frame(
      offset: place, storedSize: stored, decodedOffset: decodedOffset, decodedSize: decoded, codec: codec, checksum: checksum)
  }
}
