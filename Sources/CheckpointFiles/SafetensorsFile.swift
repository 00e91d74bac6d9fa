// SPDX-License-Identifier: Apache-2.0

/// A safetensors file: u64 header length, JSON header, raw data. Mapped, never read whole.
package final class SafetensorsFile: TensorSource {
  package let tensors: [TensorInfo]
  private let file: MappedFile
  private let places: [String: Place]
  private static let maximumHeader = 100_000_000  // the format's own limit

  /// - Throws: `.malformed` for a header that is truncated, not JSON, or describes bytes outside the file.
  package init(path: String) throws {
    let file = try MappedFile(path: path)
    func malformed(_ detail: String) -> ConversionError { .malformed(file: file.name, detail: detail) }
    guard let length = file.integer(UInt64.self, at: 0) else { throw malformed("shorter than a safetensors header") }
    guard length <= UInt64(Self.maximumHeader), let header = file.slice(8, Int(length)) else {
      throw malformed("header length \(length) does not fit the file of \(file.bytes.count) bytes")
    }
    guard header.first == UInt8(ascii: "{"),
      let members = try withExtendedLifetime(file, { try JSONParser.parse(header, file: file.name) }).members
    else { throw malformed("the header is not a JSON object") }
    try Self.checkMetadata(members, malformed)
    let start = 8 + Int(length)
    var tensors: [TensorInfo] = []
    var places: [String: Place] = [:]
    for (name, value) in members where name != "__metadata__" {
      guard let typeName = value["dtype"]?.string else { throw malformed("tensor \(name) has no dtype") }
      guard let type = Self.types[typeName] else {
        throw ConversionError.unsupported("\(file.name): tensor \(name) of type \(typeName)")
      }
      guard let shape = value["shape"]?.array?.map(\.int), !shape.contains(nil),
        let count = TensorInfo.count(shape.compactMap { $0 })
      else {
        throw malformed("tensor \(name) has no proper shape")
      }
      guard let offsets = value["data_offsets"]?.array?.compactMap(\.int), offsets.count == 2, offsets[0] >= 0,
        offsets[1] >= offsets[0]
      else {
        throw malformed("tensor \(name) has no proper data_offsets")
      }
      let (bytes, overflow) = count.multipliedReportingOverflow(by: type.size)
      guard !overflow, bytes == offsets[1] - offsets[0] else {
        throw malformed("tensor \(name): \(offsets[1] - offsets[0]) bytes for \(count) numbers of type \(typeName)")
      }
      guard offsets[1] <= file.bytes.count - start else { throw malformed("tensor \(name) ends past the end of the file") }
      let info = TensorInfo(name: name, shape: shape.compactMap { $0 }, type: type)
      guard places.updateValue((info, start + offsets[0], bytes), forKey: name) == nil else {
        throw ConversionError.duplicateTensor(name)
      }
      tensors.append(info)
    }
    try Self.checkCover(places.values.map { ($0.info.name, $0.offset..<$0.offset + $0.count) }, of: start..<file.bytes.count, malformed)
    self.file = file
    // The tensor of all experts keeps its place: an index names it.
    self.tensors = try tensors.flatMap { info in
      guard let place = places[info.name], let experts = Self.experts(place) else { return [info] }
      for expert in experts where places.updateValue(expert, forKey: expert.info.name) != nil {
        throw ConversionError.duplicateTensor(expert.info.name)
      }
      return experts.map(\.info)
    }
    self.places = places
  }

  /// Checks that `__metadata__` occurs at most once and holds texts only.
  private static func checkMetadata(
    _ members: [(key: String, value: JSONValue)], _ malformed: (String) -> ConversionError
  ) throws {
    let found = members.filter { $0.key == "__metadata__" }
    guard found.count <= 1 else { throw malformed("__metadata__ is there twice") }
    guard let texts = found.first?.value else { return }
    guard let entries = texts.members, entries.allSatisfy({ $0.value.string != nil }) else {
      throw malformed("__metadata__ is not an object of texts")
    }
  }

  /// The format requires that the tensors cover the data exactly, without overlaps or gaps.
  private static func checkCover(
    _ places: [(name: String, range: Range<Int>)], of data: Range<Int>, _ malformed: (String) -> ConversionError
  ) throws {
    var end = data.lowerBound
    let sorted = places.sorted { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }
    for (name, range) in sorted {
      guard range.lowerBound >= end else { throw malformed("tensor \(name) overlaps another") }
      guard range.lowerBound == end else { throw malformed("\(range.lowerBound - end) bytes before tensor \(name) belong to none") }
      end = range.upperBound
    }
    guard end == data.upperBound else { throw malformed("\(data.upperBound - end) bytes behind the last tensor belong to none") }
  }

  private static let types: [String: NumberType] = [
    "F64": .f64, "F32": .f32, "F16": .f16, "BF16": .bf16, "F8_E4M3": .f8e4m3, "F8_E5M2": .f8e5m2, "F8_E8M0": .f8e8m0,
    "I64": .i64, "I32": .i32, "I16": .i16, "I8": .i8, "U8": .u8,
    "BOOL": .bool,
  ]

  package func info(_ name: String) -> TensorInfo? { places[name]?.info }

  package func read(_ name: String, rows: Range<Int>, into out: UnsafeMutablePointer<Float>) throws {
    guard let place = places[name], rows.lowerBound >= 0, rows.upperBound <= place.info.rows else {
      throw ConversionError.tensors(missing: [name], unknown: [], misshapen: [])
    }
    let rowSize = place.info.rowSize
    let size = place.info.type.size
    guard let part = file.slice(place.offset + rows.lowerBound * rowSize * size, rows.count * rowSize * size),
      let base = part.baseAddress
    else { return }
    place.info.type.widen(base, stride: 1, count: rows.count * rowSize, into: out)
  }

  package func readWords(_ name: String, rows: Range<Int>) throws -> [UInt32] {
    guard let place = places[name], place.info.type == .i32, rows.lowerBound >= 0, rows.upperBound <= place.info.rows,
      let part = file.slice(place.offset + rows.lowerBound * place.info.rowSize * 4, rows.count * place.info.rowSize * 4)
    else { throw ConversionError.tensors(missing: [name], unknown: [], misshapen: []) }
    return (0..<part.count / 4).map { UInt32(littleEndian: part.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self)) }
  }

  package func release(_ name: String) {
    if let place = places[name] { file.release(place.offset, place.count) }
  }
}
