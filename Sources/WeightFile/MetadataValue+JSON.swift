// SPDX-License-Identifier: Apache-2.0

extension MetadataValue {
  /// The value as JSON, UTF-8. Bytes become text in hexadecimal, numbers that JSON lacks become null.
  package var json: [UInt8] {
    switch self {
    case .bool(let x): Array((x ? "true" : "false").utf8)
    case .int(let x): Array("\(x)".utf8)
    case .double(let x): number(x)
    case .string(let x): jsonQuoted(x.utf8)
    case .bytes(let x): jsonQuoted(hexadecimal(x))
    case .ints(let items): list(items) { Array("\($0)".utf8) }
    case .doubles(let items): list(items) { number($0) }
    case .strings(let items): list(items) { jsonQuoted($0.utf8) }
    case .byteStrings(let items): list(items) { jsonQuoted(hexadecimal($0)) }
    }
  }
}

/// UTF-8 text as a JSON string. DEL is escaped as well, since terminals interpret it.
package func jsonQuoted(_ text: some Sequence<UInt8>) -> [UInt8] {
  var out: [UInt8] = [UInt8(ascii: "\"")]
  for byte in text {
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"): out += [UInt8(ascii: "\\"), byte]
    case 0..<0x20, 0x7F: out += Array("\\u00".utf8) + hexadecimal([byte])
    default: out.append(byte)
    }
  }
  out.append(UInt8(ascii: "\""))
  return out
}

private func list<Element>(_ items: [Element], _ body: (Element) -> [UInt8]) -> [UInt8] {
  var out: [UInt8] = [UInt8(ascii: "[")]
  for element in items {
    if out.count > 1 { out += [UInt8(ascii: ","), UInt8(ascii: " ")] }
    out += body(element)
  }
  out.append(UInt8(ascii: "]"))
  return out
}

private func number(_ x: Double) -> [UInt8] { Array((x.isFinite ? "\(x)" : "null").utf8) }

private func hexadecimal(_ bytes: [UInt8]) -> [UInt8] {
  let digits: StaticString = "0123456789abcdef"
  var out: [UInt8] = []
  for byte in bytes { out += [digits.utf8Start[Int(byte >> 4)], digits.utf8Start[Int(byte & 15)]] }
  return out
}
