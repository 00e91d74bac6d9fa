// SPDX-License-Identifier: Apache-2.0
import Encoders
import Runtime
import Shims
import WeightFile

/// Why bytes are not an embedding of a model.
package enum EmbeddingBytesError: Error {
  case notAnEmbedding
  case laterVersion(UInt32)
  case otherModel
  case size(expected: Int, found: Int)
  case checksum
  case value(StaticString)
  case outOfMemory(bytes: Int)

  package var description: String {
    switch self {
    case .notAnEmbedding: "is no image embedding"
    case .laterVersion(let version): "is of version \(version), this library reads \(ImageEmbedding.bytesVersion)"
    case .otherModel: "was made by another weight file"
    case .size(let expected, let found): "has \(found) bytes, its tables say \(expected)"
    case .checksum: "is damaged (wrong checksum)"
    case .value(let name): "\(name) is out of range"
    case .outOfMemory(let bytes): "no memory for \(bytes) bytes"
    }
  }
}

/// A serialised embedding, all numbers little-endian:
///
///     0   8 bytes   "FVIMAGE\0"
///     8   u32       version: 1, or 2 where the numbers are f16
///    12   u32       number of views
///    16   u64 × 2   the weight file's identity: its `general.identity`, else the checksums of its metadata and its tensor table
///    32   u32 × 8   width, height, tokens, hidden size; map height, width, channels (0: no map); numbers: 0 f32, 1 f16 (version 2)
///    64   views     f64 × 4: x, y, width, height; i32 × 4: row, column, first token, tokens
///         numbers   the vectors, then the map
///         u64       xxh64 of all before
extension ImageEmbedding {
  /// The newest version.
  package static let bytesVersion: UInt32 = 2
  private static let magic: [UInt8] = [0x46, 0x56, 0x49, 0x4D, 0x41, 0x47, 0x45, 0]
  private static let headerSize = 64, viewSize = 48

  /// Size of the serialised embedding in bytes.
  /// - Parameter halves: vectors and map as f16.
  package func byteCount(halves: Bool = false) -> Int {
    Self.headerSize + Self.viewSize * views.count + (halves ? 2 : 4) * (tokens * hiddenSize + (map?.values.count ?? 0)) + 8
  }

  /// Whether all numbers are within the range of f16.
  package var fitsHalves: Bool {
    func fits(_ values: UnsafePointer<Float>, _ count: Int) -> Bool { (0..<count).allSatisfy { abs(values[$0]) <= 65504 } }
    return fits(data, tokens * hiddenSize) && (map.map { fits($0.values.data, $0.values.count) } ?? true)
  }

  /// Writes `byteCount(halves:)` bytes to `memory`.
  package func write(to memory: UnsafeMutableRawPointer, model: WeightFile.Identity, halves: Bool = false) {
    var w = ByteWriter(base: memory)
    w.put(Self.magic)
    for value in [UInt32(halves ? 2 : 1), UInt32(truncatingIfNeeded: views.count)] { w.put(value) }
    for value in [model.metadata, model.table] { w.put(value) }
    let map = self.map.map { [$0.height, $0.width, $0.values.columns] } ?? [0, 0, 0]
    for value in [width, height, tokens, hiddenSize] + map + [halves ? 1 : 0] { w.put(UInt32(truncatingIfNeeded: value)) }
    for view in views {
      for value in [view.area.x, view.area.y, view.area.width, view.area.height] { w.put(value.bitPattern) }
      for value in [view.row, view.column, view.firstToken, view.tokens] { w.put(UInt32(truncatingIfNeeded: value)) }
    }
    w.put(data, count: tokens * hiddenSize, halves: halves)
    if let map = self.map { w.put(map.values.data, count: map.values.count, halves: halves) }
    w.put(xxh64(memory, w.position))
  }

  /// Whether serialised bytes hold f16.
  package static func hasHalves(_ bytes: UnsafeRawBufferPointer) -> Bool { bytes.count > 8 && bytes[8] == 2 }

  /// The embedding that `write` wrote. The bytes are untrusted: all are checked.
  /// - Parameters:
  ///   - model: the identity that the bytes must name.
  ///   - hiddenSize, maximumTokens: the model's vector width, and most tokens.
  ///   - mapChannels: channels of its maps; nil where it makes none.
  ///   - host: where the embedding's memory comes from; nil: the system.
  package static func read(
    _ bytes: UnsafeRawBufferPointer, model: WeightFile.Identity, hiddenSize: Int, maximumTokens: Int, mapChannels: Int?, host: HostMemory? = nil
  ) throws(EmbeddingBytesError) -> ImageEmbedding {
    guard let base = bytes.baseAddress, bytes.count >= headerSize + 8, bytes.prefix(8).elementsEqual(magic) else {
      throw .notAnEmbedding
    }
    let r = Bytes(base: base)
    guard (1...bytesVersion).contains(r.u32(8)) else { throw .laterVersion(r.u32(8)) }
    let halves = r.u32(8) == 2
    guard r.u64(16) == model.metadata, r.u64(24) == model.table else { throw .otherModel }
    let viewCount = Int(r.u32(12))
    let (width, height, tokens, columns) = (Int(r.u32(32)), Int(r.u32(36)), Int(r.u32(40)), Int(r.u32(44)))
    let (mapHeight, mapWidth, channels) = (Int(r.u32(48)), Int(r.u32(52)), Int(r.u32(56)))
    guard columns == hiddenSize else { throw .value("hidden size") }
    guard (1...max(maximumTokens, 1)).contains(tokens) else { throw .value("tokens") }
    guard viewCount <= bytes.count / viewSize else { throw .value("views") }
    guard (1...Int(Int32.max)).contains(width), (1...Int(Int32.max)).contains(height) else { throw .value("width, height") }
    let hasMap = channels > 0
    guard channels == (mapChannels ?? 0), (mapHeight > 0) == hasMap, (mapWidth > 0) == hasMap,
      mapHeight <= 1 << 15, mapWidth <= 1 << 15
    else { throw .value("map") }
    guard r.u32(60) == (halves ? 1 : 0) else { throw .value("kind of numbers") }
    let size = halves ? 2 : 4

    var expected = headerSize + viewSize * viewCount + 8
    for (rows, columns) in [(tokens, columns), (mapHeight * mapWidth, channels)] {
      let (count, overflow) = rows.multipliedReportingOverflow(by: size * columns)
      let (sum, more) = expected.addingReportingOverflow(count)
      guard !overflow, !more else { throw .value("tokens") }
      expected = sum
    }
    guard expected == bytes.count else { throw .size(expected: expected, found: bytes.count) }
    guard xxh64(base, expected - 8) == r.u64(expected - 8) else { throw .checksum }

    var views: [ViewPlan] = []
    for i in 0..<viewCount { views.append(try r.view(headerSize + viewSize * i, tokens: tokens)) }
    let vectors = headerSize + viewSize * viewCount
    let count = tokens * columns + mapHeight * mapWidth * channels
    // The vectors may be unaligned: copied to aligned memory, then checked.
    guard let memory = block_allocate(max(4 * count, 1))?.assumingMemoryBound(to: Float.self) else { throw .outOfMemory(bytes: 4 * count) }
    defer { block_free(memory) }
    for i in 0..<count {
      let value = halves ? Half.float(r.u16(vectors + 2 * i)) : Float(bitPattern: r.u32(vectors + 4 * i))
      guard value.isFinite else { throw .value("a vector") }
      memory[i] = value
    }
    let map =
      hasMap
      ? FeatureMap(
        Tensor(data: memory + tokens * columns, rows: mapHeight * mapWidth, columns: channels), height: mapHeight, width: mapWidth)
      : nil
    do {
      return try ImageEmbedding(
        copying: Tensor(data: memory, rows: tokens, columns: columns), map: map, width: width, height: height, views: views,
        host: host)
    } catch { throw .outOfMemory(bytes: 4 * count) }
  }
}

/// Reads little-endian numbers at offsets known to be in bounds.
private struct Bytes {
  let base: UnsafeRawPointer

  func u16(_ at: Int) -> UInt16 { UInt16(littleEndian: (base + at).loadUnaligned(as: UInt16.self)) }
  func u32(_ at: Int) -> UInt32 { UInt32(littleEndian: (base + at).loadUnaligned(as: UInt32.self)) }
  func u64(_ at: Int) -> UInt64 { UInt64(littleEndian: (base + at).loadUnaligned(as: UInt64.self)) }
  private func i32(_ at: Int) -> Int { Int(Int32(bitPattern: u32(at))) }
  private func f64(_ at: Int) -> Double { Double(bitPattern: u64(at)) }

  func view(_ at: Int, tokens: Int) throws(EmbeddingBytesError) -> ViewPlan {
    let area = PixelRectangle(x: f64(at), y: f64(at + 8), width: f64(at + 16), height: f64(at + 24))
    let (row, column, first, count) = (i32(at + 32), i32(at + 36), i32(at + 40), i32(at + 44))
    guard area.x.isFinite, area.y.isFinite, area.width.isFinite, area.height.isFinite, row >= -1, column >= -1,
      first >= 0, count >= 0, first + count <= tokens
    else { throw .value("a view") }
    return ViewPlan(row: row, column: column, area: area, firstToken: first, tokens: count)
  }
}

private struct ByteWriter {
  let base: UnsafeMutableRawPointer
  private(set) var position = 0

  init(base: UnsafeMutableRawPointer) { self.base = base }

  mutating func put(_ bytes: [UInt8]) {
    for byte in bytes {
      base.storeBytes(of: byte, toByteOffset: position, as: UInt8.self)
      position += 1
    }
  }

  mutating func put<Number: FixedWidthInteger>(_ value: Number) {
    base.storeBytes(of: value.littleEndian, toByteOffset: position, as: Number.self)
    position += MemoryLayout<Number>.size
  }

  mutating func put(_ values: UnsafePointer<Float>, count: Int, halves: Bool) {
    for i in 0..<count { if halves { put(Half.bits(values[i])) } else { put(values[i].bitPattern) } }
  }
}
