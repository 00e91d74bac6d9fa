// SPDX-License-Identifier: Apache-2.0

extension WeightFile {
  /// Decodes frame `index` (0 ..< frameCount) of a tensor to its place in the `record.byteCount` bytes at `tensorBase`, having
  /// checked its checksum. Frames are independent: any thread may decode any frame. On an error that frame's bytes are unspecified.
  package func decodeFrame(_ record: TensorRecord, index: Int, into tensorBase: UnsafeMutableRawPointer) throws(WeightFileError) {
    let frame = try self.frame(record, index)
    try withDecoder { decoder throws(WeightFileError) in
      try decode(frame, of: record, index: index, decoder, into: tensorBase + frame.decodedOffset)
    }
  }

  /// Decodes frame `index` of a tensor to `memory`, which has room for `frameBytes(record, index:).count`, having checked its checksum.
  package func decodeFrame(_ record: TensorRecord, index: Int, to memory: UnsafeMutableRawPointer) throws(WeightFileError) {
    let frame = try self.frame(record, index)
    try withDecoder { decoder throws(WeightFileError) in try decode(frame, of: record, index: index, decoder, into: memory) }
  }

  /// The bytes of the tensor that frame `index` decodes to.
  package func frameBytes(_ record: TensorRecord, index: Int) throws(WeightFileError) -> Range<Int> {
    let frame = try self.frame(record, index)
    return frame.decodedOffset..<frame.decodedOffset + frame.decodedSize
  }

  /// Checks all that opening does not: that every frame has its checksum and decodes to its size, and that the bytes between are zero.
  /// Reads the whole file.
  package func verify() throws(WeightFileError) {
    try withDecoder { decoder throws(WeightFileError) in
      var end = Format.headerSize
      for record in records {
        for (index, position) in record.frames.enumerated() {
          let frame = frames[position]
          try checkPadding(from: end, to: frame.offset, decoder)
          end = frame.offset + frame.storedSize
          guard let memory = decoder.droppedBuffer(frame.decodedSize) else {
            throw .outOfMemory(file: name, bytes: frame.decodedSize)
          }
          try decode(frame, of: record, index: index, decoder, into: memory)
        }
      }
      try checkPadding(from: end, to: metadataSection.lowerBound, decoder)
      try checkPadding(from: metadataSection.upperBound, to: tableSection.lowerBound, decoder)
    }
  }

  private func frame(_ record: TensorRecord, _ index: Int) throws(WeightFileError) -> Frame {
    guard index >= 0, index < record.frames.count, record.frames.upperBound <= frames.count else {
      throw .noSuchFrame(file: name, tensor: record.name, frame: index, count: record.frames.count)
    }
    return frames[record.frames.lowerBound + index]
  }

  private func decode(
    _ frame: Frame, of record: TensorRecord, index: Int, _ decoder: FrameDecoder, into target: UnsafeMutableRawPointer
  ) throws(WeightFileError) {
    // The stored bytes are copied before they are checked and decoded, so that a file that changes in between cannot pass the check.
    let stored: UnsafeMutableRawPointer
    if frame.codec == .raw {
      stored = target
    } else {
      guard let buffer = decoder.storedBuffer(frame.storedSize) else {
        throw .outOfMemory(file: name, bytes: frame.storedSize)
      }
      stored = buffer
    }
    try source.read(at: frame.offset, count: frame.storedSize, into: stored)
    guard xxh64(stored, frame.storedSize) == frame.checksum else {
      throw .wrongFrameChecksum(file: name, tensor: record.name, frame: index, offset: frame.offset)
    }
    if frame.codec == .raw { return }
    switch decoder.decode(frame, from: stored, into: target) {
    case .done: return
    case .damaged: throw .undecodableFrame(file: name, tensor: record.name, frame: index, offset: frame.offset)
    case .outOfMemory: throw .outOfMemory(file: name, bytes: frame.decodedSize)
    }
  }

  private func checkPadding(from start: Int, to end: Int, _ decoder: FrameDecoder) throws(WeightFileError) {
    let piece = 64 << 10
    guard start < end else { return }
    guard let memory = decoder.storedBuffer(piece) else { throw .outOfMemory(file: name, bytes: piece) }
    var at = start
    while at < end {
      let count = min(piece, end - at)
      try source.read(at: at, count: count, into: memory)
      for i in 0..<count where memory.load(fromByteOffset: i, as: UInt8.self) != 0 {
        throw .nonzeroPadding(file: name, offset: at + i)
      }
      at += count
    }
  }

  private func withDecoder(_ body: (FrameDecoder) throws(WeightFileError) -> Void) throws(WeightFileError) {
    guard let decoder = decoders.take() else { throw .outOfMemory(file: name, bytes: 0) }
    defer { decoders.giveBack(decoder) }
    try body(decoder)
  }
}
