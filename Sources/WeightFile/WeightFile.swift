// SPDX-License-Identifier: Apache-2.0

/// A `.fovea` file, opened: its metadata, its table of tensors, and their bytes in place or decoded. FORMAT.md is the layout.
///
/// Opening checks everything but the checksums of the data; `decodeFrame` checks those it decodes, `verify` checks all.
/// The object is immutable: any number of threads may use it at once.
///
/// The file must not be changed or truncated while it is open; replace it by writing another and renaming, as `WeightFileWriter` does. If it is
/// truncated all the same (or a disk fails): opening, `decodeFrame` and `verify` read with `pread` and throw;
/// memory from `rawBytes` is the mapped file itself, and touching a page that is gone is SIGBUS for the process. A host that cannot
/// rule that out opens the file without mapping it.
package final class WeightFile: @unchecked Sendable {
  /// The path, or the name given to the bytes: what errors call the file.
  package let name: String
  package let metadata: Metadata
  /// In file order, which is the order of first use.
  package let records: [TensorRecord]
  /// Bytes of the file.
  package var byteCount: Int { source.count }
  package let formatVersion: Int
  /// Oldest reader that reads the file right.
  package let minReaderVersion: UInt32
  /// Identifies the file's contents.
  package let identity: Identity

  let source: ByteSource
  let frames: [Frame]
  /// Where the two sections are.
  let metadataSection, tableSection: Range<Int>
  let decoders = DecoderPool()
  /// Positions in `records`, sorted by name.
  private let byName: [Int]

  /// Opens and validates the file at `path`, any bytes but NUL; errors show it with invalid UTF-8 replaced.
  /// - Parameter maps: false: the file is not mapped, and no tensor is used in place.
  package convenience init(path: UnsafePointer<CChar>, maps: Bool = true) throws(WeightFileError) {
    try self.init(try ByteSource(path: path, maps: maps))
  }

  /// Opens a file that is in memory. With `copy` false the bytes are borrowed: they must stay valid and unchanged until this object
  /// and everything that uses its `rawBytes` are gone. In bytes that do not start at a multiple of 64 no tensor is used in place.
  /// - Parameters:
  ///   - inPlace: false: no tensor is used in place, whatever the bytes' alignment.
  ///   - name: what errors call the file.
  package convenience init(
    bytes: UnsafeRawBufferPointer, copy: Bool, inPlace: Bool = true, name: String = "memory"
  ) throws(WeightFileError) {
    try self.init(try ByteSource(bytes: bytes, copy: copy, inPlace: inPlace, name: name))
  }

  private init(_ source: ByteSource) throws(WeightFileError) {
    let contents = try validate(source)
    self.source = source
    name = source.name
    formatVersion = Int(contents.header.version)
    minReaderVersion = contents.header.minReaderVersion
    metadataSection = contents.header.metadata.range
    tableSection = contents.header.tensorTable.range
    identity = Identity(metadata: contents.header.metadata.checksum, table: contents.header.tensorTable.checksum)
    metadata = contents.metadata
    records = contents.tensors.records
    frames = contents.tensors.frames
    byName = contents.tensors.byName
  }

  /// Bytes of the metadata and of the tables of tensors and frames, which are held in memory.
  package var tableBytes: Int {
    metadataSection.count + records.count * (MemoryLayout<TensorRecord>.stride + 64) + frames.count * MemoryLayout<Frame>.stride
  }

  /// The tensor called `name`.
  package func record(_ name: String) -> TensorRecord? { index(of: name).map { records[$0] } }

  /// Where the tensor called `name` is in `records`.
  package func index(of name: String) -> Int? {
    var (low, high) = (0, byName.count)
    while low < high {
      let middle = (low + high) / 2
      let order = compareNames(records[byName[middle]].name, name)
      if order == 0 { return byName[middle] }
      if order < 0 { low = middle + 1 } else { high = middle }
    }
    return nil
  }

  /// The tensor called `name`, or `.missingTensor`.
  package func requireRecord(_ name: String) throws(WeightFileError) -> TensorRecord {
    guard let record = record(name) else { throw .missingTensor(file: self.name, tensor: name) }
    return record
  }

  /// The bytes of a tensor that is used in place: `byteCount` bytes, 64-byte aligned, read-only, valid as long as this object.
  /// nil for a compressed tensor, and in a file that is not used in place. Their checksums have not been checked.
  package func rawBytes(_ record: TensorRecord) -> UnsafeRawPointer? {
    guard !record.isCompressed, let base = source.inPlace else { return nil }
    return base + frames[record.frames.lowerBound].offset
  }

  /// Whether tensors should be used in place. Around a page that is touched the system maps 64 KiB of a file; in a mostly compressed file that is
  /// more memory than reading its raw tensors takes.
  package var isWorthMapping: Bool {
    guard source.isMappedFile else { return true }
    var raw = 0
    for record in records where !record.isCompressed { raw &+= record.byteCount }
    return raw >= source.count / 2
  }

  /// Drops a mapped file's pages from the process's memory; they are loaded again when they are used.
  package func forgetPages() { source.forgetPages() }

  /// The same for bytes in the mapping and the pages that the system may have loaded with them.
  package func forgetPages(_ data: UnsafeRawPointer, _ count: Int) { source.forgetPages(data, count) }

  /// Asks for small pages in the mapping around some bytes, so that a page fault loads less.
  package func adviseSmallPages(_ data: UnsafeRawPointer, _ count: Int) { source.adviseSmallPages(data, count) }

  /// Requests read-ahead of bytes of the mapping that will be used soon; returns at once.
  package func readAhead(_ data: UnsafeRawPointer, _ count: Int) { source.readAhead(data, count) }

  /// The same for a tensor that will be decoded.
  package func readAhead(_ record: TensorRecord) { source.readAhead(at: stored(record).lowerBound, count: stored(record).count) }

  /// Tells the system that a tensor's stored bytes may leave the page cache.
  package func leaveCache(_ record: TensorRecord) { source.leaveCache(at: stored(record).lowerBound, count: stored(record).count) }

  /// The same of bytes in the mapping.
  package func leaveCache(_ data: UnsafeRawPointer, _ count: Int) { source.leaveCache(data, count) }

  /// Where a tensor's stored bytes are.
  private func stored(_ record: TensorRecord) -> Range<Int> {
    guard let first = record.frames.first, let last = record.frames.last else { return 0..<0 }
    return frames[first].offset..<max(frames[last].offset + frames[last].storedSize, frames[first].offset)
  }

  /// Whether tensors that are used in place are in a mapping of the file.
  package var isMapped: Bool { source.isMappedFile }

  /// Most bytes that a frame of a tensor decodes to.
  package func largestFrame(_ record: TensorRecord) -> Int { record.frames.reduce(0) { max($0, frames[$1].decodedSize) } }

  /// Frames of a tensor, at least 1. (A raw tensor has frames too: pieces that are checked one by one.)
  package func frameCount(_ record: TensorRecord) -> Int { record.frames.count }

  /// Frees the contexts and scratch memory (a few MiB for each thread that decoded) kept for further frames.
  package func releaseDecoders() { decoders.empty() }
}

extension WeightFile {
  /// The checksums of the metadata and of the tensor table, which holds those of all data.
  package struct Identity: Equatable {
    package let metadata, table: UInt64
  }
}
