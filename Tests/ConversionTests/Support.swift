// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Conversion
import Foundation
import Testing

/// Files of this suite, made by tools/reference/make_converter_fixtures.py and make_checkpoints.py --small.
enum Fixture {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures").path
  static func path(_ name: String) -> String { folder + "/" + name }
  static func checkpoint(_ name: String) -> String { path("checkpoints/\(name)/checkpoint") }
}

extension MappedFile {
  var contents: [UInt8] { withBytes { Array($0) } }
}

/// A folder that goes when it is let go.
final class TemporaryFolder {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "fovea-conversion-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  /// A copy of a folder, links of its files.
  convenience init(copyOf source: String) throws {
    try self.init()
    for name in try FileManager.default.contentsOfDirectory(atPath: source) {
      try FileManager.default.copyItem(atPath: source + "/" + name, toPath: path + "/" + name)
    }
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  @discardableResult
  func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    try Data(bytes).write(to: URL(fileURLWithPath: path + "/" + name))
    return path + "/" + name
  }

  @discardableResult
  func write(_ name: String, _ text: String) throws -> String { try write(name, Array(text.utf8)) }

  func read(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: path + "/" + name))) }

  var files: [String] { (try? FileManager.default.contentsOfDirectory(atPath: path).sorted()) ?? [] }
}

/// Deterministic numbers (SplitMix64).
struct Numbers {
  private var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func bits() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }
  /// In 0 ..< 1.
  mutating func uniform() -> Double { Double(bits() >> 11) * 0x1p-53 }
  mutating func normal() -> Float {
    Float((-2 * log(max(uniform(), 1e-300))).squareRoot() * cos(2 * .pi * uniform()))
  }
  /// Heavy-tailed: Student's t with 3 degrees of freedom.
  mutating func heavy() -> Float {
    let chi = (0..<3).reduce(Float(0)) { sum, _ in
      let x = normal()
      return sum + x * x
    }
    return normal() / (chi / 3).squareRoot()
  }
}

/// Runs `body`, expects a `ConversionError` whose text holds all of `words`.
func expectFailure(_ words: String..., sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void) {
  do {
    try body()
    Issue.record("no error, expected one that says \(words)", sourceLocation: sourceLocation)
  } catch let error as ConversionError {
    for word in words { #expect(error.description.contains(word), "\(error.description)", sourceLocation: sourceLocation) }
  } catch { Issue.record("\(error)", sourceLocation: sourceLocation) }
}

extension [UInt8] {
  mutating func append<T: FixedWidthInteger>(little value: T) {
    Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
  }
}

/// A safetensors file of a header text and `dataCount` zero bytes.
func safetensors(_ header: String, dataCount: Int) -> [UInt8] {
  var bytes: [UInt8] = []
  bytes.append(little: UInt64(header.utf8.count))
  return bytes + Array(header.utf8) + [UInt8](repeating: 0, count: dataCount)
}

/// A safetensors file of tensors as f32.
func safetensors(_ tensors: [String: (shape: [Int], values: [Float])]) -> [UInt8] {
  var (entries, data): ([String], [UInt8]) = ([], [])
  for (name, (shape, values)) in tensors {
    let first = data.count
    for value in values { data.append(little: value.bitPattern) }
    entries.append("\"\(name)\": {\"dtype\": \"F32\", \"shape\": \(shape), \"data_offsets\": [\(first), \(data.count)]}")
  }
  return safetensors("{" + entries.joined(separator: ", ") + "}", dataCount: 0) + data
}

/// A ZIP file of stored entries.
func zip(_ entries: [(name: String, data: [UInt8])], method: UInt16 = 0, isZip64: Bool = false) -> [UInt8] {
  var file: [UInt8] = []
  var directory: [UInt8] = []
  for (name, data) in entries {
    let offset = file.count
    file.append(little: UInt32(0x0403_4B50))
    for value: UInt16 in [20, 0, method, 0, 0] { file.append(little: value) }
    for value: UInt32 in [0, UInt32(data.count), UInt32(data.count)] { file.append(little: value) }
    file.append(little: UInt16(name.utf8.count))
    file.append(little: UInt16(0))
    file += Array(name.utf8) + data

    directory.append(little: UInt32(0x0201_4B50))
    for value: UInt16 in [20, 20, 0, method, 0, 0] { directory.append(little: value) }
    let size = isZip64 ? UInt32.max : UInt32(data.count)
    for value: UInt32 in [0, size, size] { directory.append(little: value) }
    for value: UInt16 in [UInt16(name.utf8.count), isZip64 ? 28 : 0, 0, 0, 0] { directory.append(little: value) }
    directory.append(little: UInt32(0))
    directory.append(little: isZip64 ? UInt32.max : UInt32(offset))
    directory += Array(name.utf8)
    if isZip64 {
      directory.append(little: UInt16(1))
      directory.append(little: UInt16(24))
      for value: UInt64 in [UInt64(data.count), UInt64(data.count), UInt64(offset)] { directory.append(little: value) }
    }
  }
  let start = file.count
  file += directory
  if isZip64 {
    let place = file.count
    file.append(little: UInt32(0x0606_4B50))
    file.append(little: UInt64(44))
    for value: UInt16 in [45, 45] { file.append(little: value) }
    for value: UInt32 in [0, 0] { file.append(little: value) }
    for value: UInt64 in [UInt64(entries.count), UInt64(entries.count), UInt64(directory.count), UInt64(start)] {
      file.append(little: value)
    }
    file.append(little: UInt32(0x0706_4B50))
    file.append(little: UInt32(0))
    file.append(little: UInt64(place))
    file.append(little: UInt32(1))
  }
  file.append(little: UInt32(0x0605_4B50))
  let count = isZip64 ? UInt16.max : UInt16(entries.count)
  for value: UInt16 in [0, 0, count, count] { file.append(little: value) }
  file.append(little: isZip64 ? UInt32.max : UInt32(directory.count))
  file.append(little: isZip64 ? UInt32.max : UInt32(start))
  file.append(little: UInt16(0))
  return file
}
