// SPDX-License-Identifier: Apache-2.0
import Decoders
import Families
import Runtime
import Shims
import WeightFile

/// A serialised session, all numbers little-endian:
///
///     0   8 bytes   "FVSESSN\0"
///     8   u32       version, 1
///    12   u32       type of keys and values: 0 f32, 1 f16, 2 int8
///    16   u64 × 2   the weight file's identity
///    32   u32 × 6   positions, layers, kvHeads, elements of a row, number of the decoder's RoPE table, 0
///    56   u64       xxh64 of all before
///    64   16 bytes for each position: u32 kind (0 token, 1 image, 2 region), u32 id or row, u64 identity; xxh64 of them
///         keys and values, layer by layer (`KVCache.forEachPiece`), each piece followed by its xxh64
extension Session {
  package static let bytesVersion: UInt32 = 1
  private static let magic: [UInt8] = [0x46, 0x56, 0x53, 0x45, 0x53, 0x53, 0x4E, 0]
  private static let headerSize = 64, elementSize = 16

  /// Positions that the session holds, which the next call need not compute again.
  package var length: Int { cache.length }

  /// Bytes that `save` writes.
  package var savedBytes: Int {
    let pieces = cache.pieces(positions: length)
    return Self.headerSize + Self.elementSize * length + 8 + pieces.bytes + 8 * pieces.count
  }

  /// A copy of the session that continues from here. The caller holds the session (`exclusively`).
  package func forked() throws(FoveaError) -> Session {
    let fork = try Session(model, contextLength: contextLength)
    fork.take(history, from: cache)
    return fork
  }

  /// Keeps the first `positions` and drops the rest. The caller holds the session (`exclusively`).
  package func rewind(to positions: Int) { forget(after: positions) }

  /// Passes all bytes to `put`, in order. The caller holds the session (`exclusively`).
  package func save(_ put: (UnsafeRawBufferPointer) throws(FoveaError) -> Void) throws(FoveaError) {
    var header = Self.magic
    let identity = model.file.identity
    header.put([Self.bytesVersion, cache.type.code])
    header.put([identity.metadata, identity.table])
    header.put([length, cache.layers, cache.kvHeads, cache.rowSize, cache.ropeTable, 0].map { UInt32(truncatingIfNeeded: $0) })
    try putSealed(header, put)
    var elements: [UInt8] = []
    elements.reserveCapacity(Self.elementSize * length)
    for element in history.prefix(length) {
      switch element {
      case .token(let id): elements.put(0, UInt32(bitPattern: id), 0)
      case .image(_, let identity, let row): elements.put(1, UInt32(truncatingIfNeeded: row), identity)
      case .region(_, let identity): elements.put(2, 0, identity)
      }
    }
    try putSealed(elements, put)
    try cache.forEachPiece(positions: 0..<length) { (memory, count) throws(FoveaError) in
      try checkStop()
      try put(UnsafeRawBufferPointer(start: memory, count: count))
      try putNumber(xxh64(memory, count), put)
    }
  }

  /// The session that `save` wrote, for the same weight file. The bytes are untrusted: all are checked.
  /// - Parameters:
  ///   - contextLength: positions to hold; nil: as many as the model was loaded for.
  ///   - take: fills a buffer with the next bytes, or throws.
  package static func load(
    _ model: Model, contextLength: Int?, _ take: (UnsafeMutableRawBufferPointer) throws(FoveaError) -> Void
  ) throws(FoveaError) -> Session {
    let header = try sealed(headerSize - 8, take) { $0.starts(with: magic) ? nil : "is no saved session" }
    func u32(_ at: Int) -> UInt32 { number(header, at) }
    func u64(_ at: Int) -> UInt64 { number(header, at) }
    guard u32(8) == bytesVersion else { throw damaged("is of version \(u32(8)), this library reads \(bytesVersion)") }
    guard u64(16) == model.file.identity.metadata, u64(24) == model.file.identity.table else {
      throw .argument("session", "was saved with another weight file")
    }
    let positions = Int(u32(32))
    let session = try Session(model, contextLength: contextLength)
    let cache = session.cache
    guard u32(12) == cache.type.code else { throw .argument("session", "was saved with another cache type") }
    guard positions <= session.contextLength else {
      throw .context("session", positions: positions, isLeast: false, capacity: session.contextLength)
    }
    guard Int(u32(36)) == cache.layers, Int(u32(40)) == cache.kvHeads, Int(u32(44)) == cache.rowSize, u32(48) < 64, u32(52) == 0 else {
      throw damaged("has sizes of another model")
    }
    let elements = try sealed(elementSize * positions, take)
    var history: [SequenceElement] = []
    history.reserveCapacity(positions)
    for i in 0..<positions {
      let (kind, value): (UInt32, UInt32) = (number(elements, elementSize * i), number(elements, elementSize * i + 4))
      let identity: UInt64 = number(elements, elementSize * i + 8)
      switch kind {
      case 0 where value < UInt32(model.system.decoder.vocabSize): history.append(.token(Int32(bitPattern: value)))
      case 1: history.append(.image(index: 0, identity: identity, row: Int(value)))
      case 2: history.append(.region(index: 0, identity: identity))
      default: throw damaged("holds what is no token, image or region")
      }
    }
    try cache.forEachPiece(positions: 0..<positions) { (memory, count) throws(FoveaError) in
      try take(UnsafeMutableRawBufferPointer(start: memory, count: count))
      guard try takeNumber(take) == xxh64(memory, count) else { throw damaged("is damaged (wrong checksum)") }
    }
    cache.hold(positions, ropeTable: Int(u32(48)))
    session.take(history)
    return session
  }

  private static func damaged(_ problem: String) -> FoveaError { .system("session", problem) }

  private func putSealed(_ bytes: [UInt8], _ put: (UnsafeRawBufferPointer) throws(FoveaError) -> Void) throws(FoveaError) {
    var sum: UInt64 = 0
    var failure: FoveaError?
    bytes.withUnsafeBytes { bytes in
      sum = Session.hash(bytes)
      do throws(FoveaError) { try put(bytes) } catch { failure = error }
    }
    if let failure { throw failure }
    try putNumber(sum, put)
  }

  private func putNumber(_ value: UInt64, _ put: (UnsafeRawBufferPointer) throws(FoveaError) -> Void) throws(FoveaError) {
    var failure: FoveaError?
    withUnsafeBytes(of: value.littleEndian) { bytes in
      do throws(FoveaError) { try put(bytes) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  /// Reads the next bytes and verifies the checksum after them.
  /// - Parameter look: checks them before the checksum is verified, and returns what is wrong; nil: nothing.
  private static func sealed(
    _ count: Int, _ take: (UnsafeMutableRawBufferPointer) throws(FoveaError) -> Void, _ look: ([UInt8]) -> String? = { _ in nil }
  ) throws(FoveaError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var failure: FoveaError?
    bytes.withUnsafeMutableBytes { bytes in
      do throws(FoveaError) { try take(bytes) } catch { failure = error }
    }
    if let failure { throw failure }
    if let problem = look(bytes) { throw damaged(problem) }
    guard try takeNumber(take) == bytes.withUnsafeBytes(hash) else { throw damaged("is damaged (wrong checksum)") }
    return bytes
  }

  private static func takeNumber(_ take: (UnsafeMutableRawBufferPointer) throws(FoveaError) -> Void) throws(FoveaError) -> UInt64 {
    var number: UInt64 = 0
    var failure: FoveaError?
    withUnsafeMutableBytes(of: &number) { bytes in
      do throws(FoveaError) { try take(bytes) } catch { failure = error }
    }
    if let failure { throw failure }
    return UInt64(littleEndian: number)
  }

  private static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 { bytes.isEmpty ? 0 : bytes.baseAddress.map { xxh64($0, bytes.count) } ?? 0 }

  private static func number<Number: FixedWidthInteger>(_ bytes: [UInt8], _ at: Int) -> Number {
    var value: Number = 0
    for i in 0..<MemoryLayout<Number>.size where at + i < bytes.count { value |= Number(truncatingIfNeeded: bytes[at + i]) << (8 * i) }
    return value
  }
}

extension CacheType {
  fileprivate var code: UInt32 {
    switch self {
    case .float32: 0
    case .float16: 1
    case .int8: 2
    }
  }
}

extension [UInt8] {
  fileprivate mutating func put<Number: FixedWidthInteger>(_ values: [Number]) {
    for value in values {
      for i in 0..<MemoryLayout<Number>.size { append(UInt8(truncatingIfNeeded: value >> (8 * i))) }
    }
  }

  fileprivate mutating func put(_ kind: UInt32, _ value: UInt32, _ identity: UInt64) {
    put([kind, value])
    put([identity])
  }
}
