// SPDX-License-Identifier: Apache-2.0

/// A GGUF file (versions 2 and 3, little-endian): settings, tensor table, raw blocks. Mapped, never read whole.
/// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
package final class GGUFFile: TensorSource {
  package let tensors: [TensorInfo]
  /// All settings, in the file's order.
  package let settings: ConfigReader
  private let file: MappedFile
  private let places: [String: Place]

  private struct Place {
    let info: TensorInfo
    let type: GGUFType
    let offset: Int
    /// Weights of a row, and their bytes.
    let line, lineBytes: Int
    let byteCount: Int
  }

  /// - Throws: `.malformed` for a file that is truncated or describes bytes outside itself, `.unsupported` for features that are not read.
  package init(path: String) throws {
    let file = try MappedFile(path: path)
    var reader = GGUFReader(file)
    guard try reader.integer(UInt32.self) == 0x4655_4747 else { throw reader.malformed("not a GGUF file") }
    let version = try reader.integer(UInt32.self)
    guard version == 2 || version == 3 else {
      throw ConversionError.unsupported("\(file.name): GGUF version \(version)\(version > 1 << 16 ? " (big-endian)" : ""); 2 and 3 are known")
    }
    let (tensorCount, settingCount) = (try reader.count(least: 24), try reader.count(least: 13))
    var members: [(key: String, value: JSONValue)] = []
    var known: Set<[UInt8]> = []
    for _ in 0..<settingCount {
      reader.setting = nil
      let key = try reader.text()
      guard known.insert(Array(key.utf8)).inserted else { throw reader.malformed("\(key) is there twice") }
      reader.setting = key
      members.append((key, try reader.value(try reader.integer(UInt32.self))))
    }
    reader.setting = nil
    let settings = ConfigReader(file: file.name, value: .object(members))
    let parts = try settings.int("split.count", default: 1)
    guard parts <= 1 else {
      throw ConversionError.unsupported("\(file.name): one of \(parts) parts of a model; join them first: llama-gguf-split --merge")
    }
    var rows: [(name: String, shape: [Int], type: GGUFType, offset: Int)] = []
    for _ in 0..<tensorCount { rows.append(try reader.tensor()) }
    let alignment = try settings.size("general.alignment", default: 32)
    guard alignment <= 1 << 20, alignment & (alignment - 1) == 0 else {
      throw settings.fail("general.alignment", "\(alignment) should be a power of two, at most 1048576")
    }
    let start = (reader.offset + alignment - 1) / alignment * alignment
    var places: [String: Place] = [:]
    // As ggml has it: tensors lie in the table's order, each where the one before it ends, rounded up.
    var next = start
    for row in rows {
      let place = try Self.place(row, start: start, file)
      guard place.offset == next else {
        throw ConversionError.malformed(file: file.name, detail: "tensor \(row.name) is at \(row.offset), expected at \(next - start)")
      }
      next += (place.byteCount + alignment - 1) / alignment * alignment
      guard places.updateValue(place, forKey: row.name) == nil else { throw ConversionError.duplicateTensor(row.name) }
    }
    tensors = try rows.flatMap { row -> [TensorInfo] in
      guard let place = places[row.name] else { return [] }
      let experts = Self.experts(place)
      guard !experts.isEmpty else { return [place.info] }
      places[row.name] = nil
      for expert in experts where places.updateValue(expert, forKey: expert.info.name) != nil {
        throw ConversionError.duplicateTensor(expert.info.name)
      }
      return experts.map(\.info)
    }
    self.file = file
    self.places = places
    self.settings = settings
  }

  private static func place(_ row: (name: String, shape: [Int], type: GGUFType, offset: Int), start: Int, _ file: MappedFile) throws -> Place {
    func malformed(_ detail: String) -> ConversionError { .malformed(file: file.name, detail: "tensor \(row.name) \(detail)") }
    // Rows are read one by one, so blocks must not cross them; a vector has rows of one weight.
    let (weights, bytes) = row.type.block
    let line = row.shape.count > 1 ? row.shape[row.shape.count - 1] : 1
    guard line % weights == 0 else { throw malformed("has rows of \(line) weights in blocks of \(weights)") }
    guard let count = TensorInfo.count(row.shape) else { throw malformed("has no proper shape") }
    let (size, overflow) = (count / weights).multipliedReportingOverflow(by: bytes)
    let (offset, overflow2) = start.addingReportingOverflow(row.offset)
    guard !overflow, !overflow2, file.slice(offset, size) != nil else { throw malformed("ends past the end of the file") }
    return Place(
      info: TensorInfo(name: row.name, shape: row.shape, type: .f32), type: row.type, offset: offset, line: line,
      lineBytes: line / weights * bytes, byteCount: size)
  }

  /// The matrices of a tensor of all experts, `blk.3.ffn_gate_exps.weight`: `blk.3.ffn_gate_exps.0.weight` and so on.
  private static func experts(_ place: Place) -> [Place] {
    let (info, end) = (place.info, "_exps.weight")
    guard info.name.hasSuffix(end), info.shape.count == 3, (1...4096).contains(info.rows) else { return [] }
    let bytes = place.byteCount / info.rows
    return (0..<info.rows).map { expert in
      let name = "\(info.name.dropLast(".weight".count)).\(expert).weight"
      return Place(
        info: TensorInfo(name: name, shape: Array(info.shape.dropFirst()), type: .f32), type: place.type, offset: place.offset + expert * bytes,
        line: place.line, lineBytes: place.lineBytes, byteCount: bytes)
    }
  }

  package func info(_ name: String) -> TensorInfo? { places[name]?.info }

  package func read(_ name: String, rows: Range<Int>, into out: UnsafeMutablePointer<Float>) throws {
    guard let place = places[name], rows.lowerBound >= 0, rows.upperBound <= place.info.rows else {
      throw ConversionError.tensors(missing: [name], unknown: [], misshapen: [])
    }
    let lines = place.info.rowSize / max(place.line, 1)
    guard let part = file.slice(place.offset + rows.lowerBound * lines * place.lineBytes, rows.count * lines * place.lineBytes),
      let base = part.baseAddress
    else { return }
    place.type.widen(base, count: rows.count * place.info.rowSize, into: out)
  }

  package func release(_ name: String) {
    if let place = places[name] { file.release(place.offset, place.byteCount) }
  }
}

/// Reads the parts of a GGUF file in sequence.
private struct GGUFReader {
  let file: MappedFile
  private(set) var offset = 0
  /// What is being read, for messages.
  var setting: String?

  init(_ file: MappedFile) { self.file = file }

  func malformed(_ detail: String) -> ConversionError {
    .malformed(file: file.name, detail: "\(setting.map { $0 + ": " } ?? "")\(detail) (GGUF, offset \(offset))")
  }

  mutating func integer<T: FixedWidthInteger>(_ type: T.Type) throws -> T {
    guard let value = file.integer(type, at: offset) else { throw malformed("the file ends too early") }
    offset += MemoryLayout<T>.size
    return value
  }

  /// A number of items of at least `least` bytes each.
  mutating func count(least: Int) throws -> Int {
    let count = try integer(UInt64.self)
    guard count <= UInt64((file.bytes.count - offset) / least) else { throw malformed("a count of \(count) is more than the file has room for") }
    return Int(count)
  }

  mutating func text() throws -> String {
    let count = try count(least: 1)
    guard let bytes = file.slice(offset, count), let text = String(validating: bytes, as: UTF8.self) else { throw malformed("a text is not UTF-8") }
    offset += count
    return text
  }

  /// The least bytes of a value, by its type; an array is refused where it is met.
  private static let sizes: [UInt32: Int] = [0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 8: 8, 9: 12, 10: 8, 11: 8, 12: 8]

  mutating func value(_ type: UInt32, isInArray: Bool = false) throws -> JSONValue {
    switch type {
    case 0: return .int(Int64(try integer(UInt8.self)))
    case 1: return .int(Int64(try integer(Int8.self)))
    case 2: return .int(Int64(try integer(UInt16.self)))
    case 3: return .int(Int64(try integer(Int16.self)))
    case 4: return .int(Int64(try integer(UInt32.self)))
    case 5: return .int(Int64(try integer(Int32.self)))
    case 6: return .double(Double(Float(bitPattern: try integer(UInt32.self))))
    case 7: return .bool(try integer(UInt8.self) != 0)
    case 8: return .string(try text())
    case 9:
      let inner = try integer(UInt32.self)
      guard !isInArray, inner != type else { throw malformed("an array within an array") }
      guard let size = Self.sizes[inner] else { throw malformed("an array of values of unknown type \(inner)") }
      let count = try count(least: size)
      guard count <= 1 << 24 else { throw malformed("an array of \(count) values") }
      var values: [JSONValue] = []
      values.reserveCapacity(count)
      for _ in 0..<count { values.append(try value(inner, isInArray: true)) }
      return .array(values)
    case 10: return .int(Int64(clamping: try integer(UInt64.self)))
    case 11: return .int(try integer(Int64.self))
    case 12: return .double(Double(bitPattern: try integer(UInt64.self)))
    default: throw malformed("a value of unknown type \(type)")
    }
  }

  /// An entry of the tensor table; shape outermost first.
  mutating func tensor() throws -> (name: String, shape: [Int], type: GGUFType, offset: Int) {
    let name = try text()
    let rank = try integer(UInt32.self)
    guard rank <= 4 else { throw malformed("tensor \(name) has \(rank) dimensions") }
    var shape: [Int] = []
    for _ in 0..<rank {
      guard let extent = Int(exactly: try integer(UInt64.self)) else { throw malformed("tensor \(name) has no proper shape") }
      shape.insert(extent, at: 0)
    }
    let number = try integer(UInt32.self)
    guard let type = GGUFType(rawValue: number) else {
      throw ConversionError.unsupported("\(file.name): tensor \(name) of type \(GGUFType.name(number))")
    }
    guard let place = Int(exactly: try integer(UInt64.self)) else { throw malformed("tensor \(name) has no proper offset") }
    return (name, shape, type, place)
  }
}
