// SPDX-License-Identifier: Apache-2.0

/// Writes a `.fovea` file, tensor by tensor in the order of first use.
///
/// The file appears under its name, complete and synced, when `finish` returns; a writer that failed or was dropped leaves nothing.
/// Takes memory for a few frames (about 4 MiB, more where one row is larger) and the tables. The same calls give the same bytes.
/// After an error every further call throws; drop the writer. One thread at a time.
package final class WeightFileWriter {
  package enum Compression: Sendable {
    /// Compress a tensor of floats if it has at least 16 KiB and that halves it. Others are mapped, which is worth more than the few percent that
    /// compression saves of quantised weights (docs/memory.md).
    case auto
    /// Compress every tensor (of rows up to 16 MiB).
    case zstd
    case none
  }

  private let file: OutputFile
  private let compression: Compression
  private var metadata: [(key: String, value: MetadataValue)] = []
  private var table: [UInt8] = []
  private var tensorCount: UInt32 = 0
  /// Oldest reader that reads what was written.
  private var minReaderVersion = Format.oldestVersion
  private var sortedNames: [String] = []
  /// End of the data so far.
  private var end = Format.headerSize
  private var current: OpenTensor?
  private var state = State.open
  private var encoder: FrameEncoder?
  private var buffer: OwnedBytes?

  private enum State { case open, failed, finished }

  /// A tensor between `beginTensor` and `endTensor`.
  private struct OpenTensor {
    let name: String
    let shape: [Int]
    let encoding: TensorEncoding
    let group: Int
    let size: TensorSize
    /// Whether frames are compressed as they come; a complete tensor may be unpacked again.
    let isCompressing: Bool
    let frameCapacity: Int
    let start: Int
    var frames: [Frame] = []
    /// Bytes in the frame buffer, and bytes taken altogether.
    var pending = 0
    var received = 0
  }

  package init(path: String, compression: Compression = .auto) throws(WeightFileError) {
    file = try OutputFile(path: path)
    self.compression = compression
  }

  /// Sets a metadata value; the last one set for a key counts. Keys are checked by `finish`.
  package func set(_ key: String, _ value: MetadataValue) {
    if let i = metadata.firstIndex(where: { compareNames($0.key, key) == 0 }) {
      metadata[i].value = value
    } else {
      metadata.append((key, value))
    }
  }

  /// Sets the least reader version: older readers would misread the file.
  package func require(version: UInt32) { minReaderVersion = max(minReaderVersion, version) }

  // MARK: Tensors

  /// Starts a tensor. Its bytes follow by `write`, in the layout of its encoding, and `endTensor` ends it.
  package func beginTensor(name: String, shape: [Int], encoding: TensorEncoding, group: Int = 0) throws(WeightFileError) {
    try guarded { () throws(WeightFileError) in
      guard current == nil else { throw .misuse(file: file.path, problem: "a tensor was begun inside another") }
      guard Int(tensorCount) < Format.mostTensors else {
        throw .tooManyTensors(file: file.path, count: Int(tensorCount) + 1, limit: Format.mostTensors)
      }
      guard isNameText(name) else { throw .invalidTensorName(file: file.path, index: Int(tensorCount), offset: end) }
      try insertName(name)
      let size = try TensorSize(shape, encoding, group: group, tensor: name, file: file.path)
      minReaderVersion = max(minReaderVersion, size.minReaderVersion)

      let isFramed = size.rowSize <= Format.largestFrame
      let isCompressing: Bool =
        switch compression {
        case .auto: isFramed && size.byteCount >= Format.smallestCompressed && encoding.planesCodec != nil
        case .zstd: isFramed
        case .none: false
        }
      let capacity = isCompressing ? max(Format.usualFrame / size.rowSize, 1) * size.rowSize : Format.usualFrame
      // Compressed frames need no alignment; if the tensor turns out raw, `unpack` moves it to an aligned place.
      let start = isCompressing ? end : inPlaceStart(after: end, size: size.byteCount)
      current = OpenTensor(
        name: name, shape: shape, encoding: encoding, group: group, size: size, isCompressing: isCompressing,
        frameCapacity: capacity, start: start)
      end = start
      _ = try frameBuffer(min(capacity, size.byteCount))
    }
  }

  /// Appends bytes to the tensor begun; chunks may have any size.
  package func write(_ bytes: UnsafeRawBufferPointer) throws(WeightFileError) {
    try guarded { () throws(WeightFileError) in
      guard let base = bytes.baseAddress, bytes.count > 0 else { return }
      guard var tensor = current else { throw .misuse(file: file.path, problem: "bytes were written outside a tensor") }
      guard bytes.count <= tensor.size.byteCount - tensor.received else {
        throw .wrongTensorSize(
          file: file.path, tensor: tensor.name, expected: tensor.size.byteCount, found: tensor.received + bytes.count)
      }
      let memory = try frameBuffer(min(tensor.frameCapacity, tensor.size.byteCount))
      var taken = 0
      while taken < bytes.count {
        let n = min(bytes.count - taken, tensor.frameCapacity - tensor.pending)
        (memory + tensor.pending).copyMemory(from: base + taken, byteCount: n)
        taken += n
        tensor.pending += n
        tensor.received += n
        if tensor.pending == tensor.frameCapacity { try writeFrame(&tensor) }
      }
      current = tensor
    }
  }

  /// Ends the tensor begun. Throws `.wrongTensorSize` if its bytes are not all there.
  package func endTensor() throws(WeightFileError) {
    try guarded { () throws(WeightFileError) in
      guard var tensor = current else { throw .misuse(file: file.path, problem: "a tensor was ended that had not begun") }
      guard tensor.received == tensor.size.byteCount else {
        throw .wrongTensorSize(
          file: file.path, tensor: tensor.name, expected: tensor.size.byteCount, found: tensor.received)
      }
      if tensor.pending > 0 { try writeFrame(&tensor) }
      var isCompressed = tensor.isCompressing
      if isCompressed, compression == .auto {
        let stored = end - tensor.start
        if stored > tensor.size.byteCount / 2 {
          try unpack(&tensor)
          isCompressed = false
        }
      }
      addToTable(tensor, isCompressed: isCompressed)
      current = nil
    }
  }

  /// A tensor whose bytes are all there.
  package func addTensor(
    name: String, shape: [Int], encoding: TensorEncoding, group: Int = 0, bytes: UnsafeRawBufferPointer
  ) throws(WeightFileError) {
    try beginTensor(name: name, shape: shape, encoding: encoding, group: group)
    try write(bytes)
    try endTensor()
  }

  #if !hasFeature(Embedded)
  /// A tensor that `produce` writes in chunks of any size, in order, by calling what it is given. An error it throws comes through.
  package func addTensor(
    name: String, shape: [Int], encoding: TensorEncoding, group: Int = 0,
    _ produce: (_ write: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
  ) throws {
    try beginTensor(name: name, shape: shape, encoding: encoding, group: group)
    do {
      try produce { try self.write($0) }
    } catch {
      fail()
      throw error
    }
    try endTensor()
  }
  #endif

  // MARK: The end

  /// Writes the tables, syncs the file and gives it its name. Nothing may follow.
  package func finish() throws(WeightFileError) {
    try guarded { () throws(WeightFileError) in
      guard current == nil else { throw .misuse(file: file.path, problem: "the file was finished inside a tensor") }
      var header = Header()
      (header.version, header.minReaderVersion) = (minReaderVersion, minReaderVersion)
      let section = try encodedMetadata()
      header.metadataCount = UInt32(metadata.count)
      header.metadata = try writeSection(section, .metadata)
      header.tensorCount = tensorCount
      header.tensorTable = try writeSection(table, .tensorTable)
      header.fileSize = end
      try file.write(header.encoded(), at: 0)
      try file.commit()
      state = .finished
    }
  }

  private func encodedMetadata() throws(WeightFileError) -> [UInt8] {
    var bytes: [UInt8] = []
    for (key, value) in metadata.sorted(by: { compareNames($0.key, $1.key) < 0 }) {
      guard isNameText(key) else { throw .invalidMetadataKey(file: file.path, offset: end + bytes.count) }
      let encoded = value.encoded()
      bytes.append(u32: UInt32(key.utf8.count))
      bytes.append(u32: value.kind.rawValue)
      bytes.append(u64: UInt64(encoded.count))
      bytes.append(contentsOf: key.utf8)
      bytes.append(contentsOf: encoded)
    }
    return bytes
  }

  private func writeSection(_ bytes: [UInt8], _ kind: WeightFileError.Section) throws(WeightFileError) -> Header.Section {
    guard bytes.count <= Format.largestSection else {
      throw .sectionTooLarge(file: file.path, section: kind, size: bytes.count, limit: Format.largestSection)
    }
    let checksum = bytes.withUnsafeBytes { buffer in
      // An empty array may have no address; the checksum of nothing does not look at it.
      xxh64(buffer.baseAddress ?? UnsafeRawPointer(bitPattern: 1).unsafelyUnwrapped, buffer.count)
    }
    try file.write(bytes, at: end)
    defer { end += bytes.count }
    return Header.Section(offset: end, size: bytes.count, checksum: checksum)
  }

  // MARK: Frames

  /// Stores what is in the frame buffer as the tensor's next frame.
  private func writeFrame(_ tensor: inout OpenTensor) throws(WeightFileError) {
    let count = tensor.pending
    let memory = UnsafeRawPointer(try frameBuffer(count))
    var result = FrameEncoder.Result(codec: .raw, bytes: memory, count: count)
    if tensor.isCompressing {
      if encoder == nil { encoder = FrameEncoder() }
      guard let encoded = encoder?.encode(memory, count: count, planesCodec: tensor.encoding.planesCodec) else {
        throw .outOfMemory(file: file.path, bytes: count)
      }
      result = encoded
    }
    try file.write(result.bytes, count: result.count, at: end)
    tensor.frames.append(
      Frame(
        offset: end, storedSize: result.count, decodedOffset: tensor.received - count, decodedSize: count, codec: result.codec,
        checksum: xxh64(result.bytes, result.count)))
    end += result.count
    tensor.pending = 0
  }

  /// Rewrites a tensor just written in compressed frames as one used in place, because compression did not pay.
  ///
  /// Going from the last frame to the first, no frame is overwritten before it is read: a frame's place decoded is never before its
  /// place stored, since every frame ahead of it grows or stays, and the tensor's start moves forward if at all.
  private func unpack(_ tensor: inout OpenTensor) throws(WeightFileError) {
    guard let decoder = FrameDecoder() else { throw .outOfMemory(file: file.path, bytes: 0) }
    let start = inPlaceStart(after: tensor.start, size: tensor.size.byteCount)
    for i in tensor.frames.indices.reversed() {
      let frame = tensor.frames[i]
      guard let stored = decoder.storedBuffer(frame.storedSize) else {
        throw .outOfMemory(file: file.path, bytes: frame.storedSize)
      }
      let decoded = try frameBuffer(frame.decodedSize)
      try file.read(at: frame.offset, count: frame.storedSize, into: stored)
      guard decoder.decode(frame, from: stored, into: decoded) == .done else {
        throw .undecodableFrame(file: file.path, tensor: tensor.name, frame: i, offset: frame.offset)
      }
      let place = start + frame.decodedOffset
      try file.write(decoded, count: frame.decodedSize, at: place)
      tensor.frames[i] = Frame(
        offset: place, storedSize: frame.decodedSize, decodedOffset: frame.decodedOffset, decodedSize: frame.decodedSize,
        codec: .raw, checksum: xxh64(decoded, frame.decodedSize))
    }
    if start > tensor.start { try file.write([UInt8](repeating: 0, count: start - tensor.start), at: tensor.start) }
    end = start + tensor.size.byteCount
  }

  private func addToTable(_ tensor: OpenTensor, isCompressed: Bool) {
    table.append(u32: UInt32(tensor.name.utf8.count))
    table.append(tensor.encoding.rawValue)
    table.append(isCompressed ? 1 : 0)
    table.append(UInt8(tensor.shape.count))
    table.append(0)
    table.append(u32: UInt32(tensor.group))
    table.append(u32: UInt32(tensor.frames.count))
    table.append(u64: UInt64(tensor.size.byteCount))
    table.append(contentsOf: tensor.name.utf8)
    for n in tensor.shape { table.append(u64: UInt64(n)) }
    for frame in tensor.frames {
      table.append(u64: UInt64(frame.offset))
      table.append(u64: frame.checksum)
      table.append(u32: UInt32(frame.storedSize))
      table.append(u32: UInt32(frame.decodedSize))
      table.append(u32: frame.codec.rawValue)
      table.append(u32: 0)
    }
    tensorCount += 1
  }

  private func inPlaceStart(after offset: Int, size: Int) -> Int {
    let unit = size >= Format.pageAlignedFrom ? Format.pageAlignment : Format.alignment
    return (offset + unit - 1) / unit * unit
  }

  private func frameBuffer(_ size: Int) throws(WeightFileError) -> UnsafeMutableRawPointer {
    if let buffer, buffer.count >= size { return buffer.base }
    assert(current?.pending ?? 0 == 0)
    buffer = nil
    buffer = OwnedBytes(size)
    guard let buffer else { throw .outOfMemory(file: file.path, bytes: size) }
    return buffer.base
  }

  // MARK: Names and state

  private func insertName(_ name: String) throws(WeightFileError) {
    var (low, high) = (0, sortedNames.count)
    while low < high {
      let middle = (low + high) / 2
      let order = compareNames(sortedNames[middle], name)
      if order == 0 { throw .duplicateTensor(file: file.path, tensor: name) }
      if order < 0 { low = middle + 1 } else { high = middle }
    }
    sortedNames.insert(name, at: low)
  }

  private func isNameText(_ name: String) -> Bool {
    var name = name
    return name.withUTF8 { isName(UnsafeRawBufferPointer($0)) }
  }

  /// Runs one step; after an error in it every further call throws.
  private func guarded(_ step: () throws(WeightFileError) -> Void) throws(WeightFileError) {
    switch state {
    case .open: break
    case .failed: throw .misuse(file: file.path, problem: "the writer failed before")
    case .finished: throw .misuse(file: file.path, problem: "the writer has finished")
    }
    do throws(WeightFileError) { try step() } catch {
      fail()
      throw error
    }
  }

  /// Removes the partial file at once, not only when the writer is released.
  private func fail() {
    state = .failed
    file.discard()
  }
}

extension TensorEncoding {
  /// The codec that splits this encoding's elements into byte planes; nil for quantized tensors, whose bytes are codes already.
  fileprivate var planesCodec: FrameCodec? {
    switch self {
    case .f32, .f32x16: .zstdPlanes4
    case .f16, .f16x16: .zstdPlanes2
    default: nil
    }
  }
}
