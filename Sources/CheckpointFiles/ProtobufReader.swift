// SPDX-License-Identifier: Apache-2.0

/// Iterates over the fields of one protobuf message. Every length is checked against the bytes left.
package struct ProtobufReader {
  package enum Value {
    case varint(UInt64)
    case fixed32(UInt32)
    case fixed64(UInt64)
    case bytes(UnsafeRawBufferPointer)
  }

  private let bytes: UnsafeRawBufferPointer
  private let file: String
  private var position = 0

  package init(_ bytes: UnsafeRawBufferPointer, file: String) {
    self.bytes = bytes
    self.file = file
  }

  private func error(_ what: String) -> ConversionError { .malformed(file: file, detail: "protobuf: \(what)") }

  /// The next field, nil at the end of the message.
  package mutating func next() throws -> (field: Int, value: Value)? {
    guard position < bytes.count else { return nil }
    let tag = try varint()
    let field = Int(truncatingIfNeeded: tag >> 3 & 0x1FFF_FFFF)
    switch tag & 7 {
    case 0: return (field, .varint(try varint()))
    case 1: return (field, .fixed64(UInt64(littleEndian: try take(8).loadUnaligned(as: UInt64.self))))
    case 2:
      guard let count = Int(exactly: try varint()) else { throw error("a field that is too long") }
      return (field, .bytes(try take(count)))
    case 5: return (field, .fixed32(UInt32(littleEndian: try take(4).loadUnaligned(as: UInt32.self))))
    default: throw error("wire type \(tag & 7)")
    }
  }

  private mutating func take(_ count: Int) throws -> UnsafeRawBufferPointer {
    guard count <= bytes.count - position else { throw error("a field ends past the end") }
    defer { position += count }
    return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
  }

  private mutating func varint() throws -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: 0, to: 70, by: 7) {
      guard position < bytes.count else { throw error("ends inside a number") }
      let byte = bytes[position]
      position += 1
      value |= UInt64(byte & 0x7F) << UInt64(shift)
      if byte & 0x80 == 0 { return value }
    }
    throw error("a number of more than ten bytes")
  }
}
