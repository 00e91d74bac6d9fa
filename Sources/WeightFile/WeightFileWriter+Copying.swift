// SPDX-License-Identifier: Apache-2.0

extension WeightFileWriter {
  /// Copies the metadata of another file and its tensors in their order, decoded frame by frame with their checksums checked. Takes memory for a few
  /// frames.
  /// - Parameters:
  ///   - keeps: whether a tensor is copied.
  ///   - goesOn: called with the bytes of tensors done and in all; false stops.
  /// - Returns: false if `goesOn` stopped it.
  package func add(
    contentsOf source: WeightFile, keeps: (TensorRecord) -> Bool = { _ in true }, goesOn: (_ done: Int, _ total: Int) -> Bool = { _, _ in true }
  ) throws(WeightFileError) -> Bool {
    for key in source.metadata.keys {
      if let value = source.metadata.value(key) { set(key, value) }
    }
    require(version: source.minReaderVersion)
    let records = source.records.filter(keeps)
    let total = records.reduce(0) { $0 &+ $1.byteCount }
    var done = 0
    var buffer: OwnedBytes?
    for record in records {
      try beginTensor(name: record.name, shape: record.shape, encoding: record.encoding, group: record.group)
      for index in 0..<source.frameCount(record) {
        guard goesOn(done, total) else { return false }
        let size = try source.frameBytes(record, index: index).count
        if buffer?.count ?? 0 < size { buffer = OwnedBytes(size) }
        guard let memory = buffer?.base else { throw .outOfMemory(file: source.name, bytes: size) }
        try source.decodeFrame(record, index: index, to: memory)
        try write(UnsafeRawBufferPointer(start: memory, count: size))
        done &+= size
      }
      try endTensor()
    }
    return goesOn(done, total)
  }
}

extension WeightFile.Identity {
  /// As 16 bytes, little-endian.
  package var bytes: [UInt8] {
    [metadata, table].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) } }
  }

  /// What `bytes` gave; nil for another number of bytes.
  package init?(bytes: [UInt8]) {
    guard bytes.count == 16 else { return nil }
    func word(_ first: Int) -> UInt64 { (0..<8).reduce(0) { $0 | UInt64(bytes[first + $1]) << UInt64(8 * $1) } }
    (metadata, table) = (word(0), word(8))
  }
}
