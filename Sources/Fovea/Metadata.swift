// SPDX-License-Identifier: Apache-2.0
import CFovea
import Families
import Generation
import WeightFile

@c @implementation
public func fovea_model_metadata_count(_ model: OpaquePointer?) -> Int {
  guard let handle: ModelHandle = try? object(model, "model") else { return 0 }
  return handle.keys.count
}

@c @implementation
public func fovea_model_metadata_key(_ model: OpaquePointer?, _ index: Int) -> UnsafePointer<CChar>? {
  guard let handle: ModelHandle = try? object(model, "model"), handle.keys.indices.contains(index) else { return nil }
  return handle.keys[index].pointer
}

@c @implementation
public func fovea_model_metadata_json(
  _ model: OpaquePointer?, _ key: UnsafePointer<CChar>?, _ buffer: UnsafeMutablePointer<CChar>?, _ capacity: Int,
  _ length: UnsafeMutablePointer<Int>?
) -> fovea_status {
  length?.pointee = 0
  return status { () throws(FoveaError) in
    let handle: ModelHandle = try object(model, "model")
    let length = try required(length, "length")
    let key = String(decoding: try text(key, "key"), as: UTF8.self)
    guard let value = handle.model.metadata.value(key) else {
      throw .argument("key", "\(handle.model.file.name) has no metadata named \(key).")
    }
    let json = json(value)
    length.pointee = json.count
    try deliver(text: json, into: buffer, capacity: capacity, "buffer")
  }
}

/// A metadata value as JSON, UTF-8. Bytes become text in hexadecimal, numbers that JSON lacks become null.
@inline(never)
func json(_ value: MetadataValue) -> [UInt8] {
  switch value {
  case .bool(let x): Array((x ? "true" : "false").utf8)
  case .int(let x): Array("\(x)".utf8)
  case .double(let x): json(x)
  case .string(let x): json(quoting: x.utf8)
  case .bytes(let x): json(quoting: hexadecimal(x))
  case .ints(let list): jsonList(list) { Array("\($0)".utf8) }
  case .doubles(let list): jsonList(list) { json($0) }
  case .strings(let list): jsonList(list) { json(quoting: $0.utf8) }
  case .byteStrings(let list): jsonList(list) { json(quoting: hexadecimal($0)) }
  }
}

private func jsonList<Element>(_ list: [Element], _ body: (Element) -> [UInt8]) -> [UInt8] {
  var out: [UInt8] = [UInt8(ascii: "[")]
  for element in list {
    if out.count > 1 { out += [UInt8(ascii: ","), UInt8(ascii: " ")] }
    out += body(element)
  }
  out.append(UInt8(ascii: "]"))
  return out
}

private func json(_ number: Double) -> [UInt8] { Array((number.isFinite ? "\(number)" : "null").utf8) }

private func json(quoting text: some Sequence<UInt8>) -> [UInt8] {
  var out: [UInt8] = [UInt8(ascii: "\"")]
  for byte in text {
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"): out += [UInt8(ascii: "\\"), byte]
    case 0..<0x20: out += Array("\\u00".utf8) + hexadecimal([byte])
    default: out.append(byte)
    }
  }
  out.append(UInt8(ascii: "\""))
  return out
}

private func hexadecimal(_ bytes: [UInt8]) -> [UInt8] {
  let digits: StaticString = "0123456789abcdef"
  var out: [UInt8] = []
  for byte in bytes { out += [digits.utf8Start[Int(byte >> 4)], digits.utf8Start[Int(byte & 15)]] }
  return out
}
