// SPDX-License-Identifier: Apache-2.0

/// A part of a form.
struct FormPart {
  let name: String
  /// nil: a field, not a file.
  let fileName: String?
  let bytes: [UInt8]

  var text: String? { String(validating: bytes, as: UTF8.self) }
}

/// Parses multipart/form-data (RFC 7578).
enum Multipart {
  static let mostParts = 64

  /// The boundary of a Content-Type; nil if it is not a form.
  static func boundary(of contentType: String) -> String? {
    let parts = contentType.split(separator: ";").map { trimmed($0) }
    guard parts.first?.lowercased() == "multipart/form-data" else { return nil }
    return parts.dropFirst().first { $0.lowercased().hasPrefix("boundary=") }.map { unquoted(String($0.dropFirst("boundary=".count))) }
  }

  static func parts(_ body: UnsafeRawBufferPointer, boundary: String) throws(APIError) -> [FormPart] {
    let failure = APIError.invalid("The form is damaged.", code: "invalid_form")
    guard (1...70).contains(boundary.utf8.count) else { throw failure }
    let mark = Array("--\(boundary)".utf8)
    let blankLine = Array("\r\n\r\n".utf8)
    var parts: [FormPart] = []
    guard var place = find(mark, in: body, from: 0) else { throw failure }
    while true {
      place += mark.count
      if place + 2 <= body.count, body[place] == UInt8(ascii: "-"), body[place + 1] == UInt8(ascii: "-") { return parts }
      guard place + 2 <= body.count, body[place] == 0x0D, body[place + 1] == 0x0A else { throw failure }
      place += 2
      // The blank line may directly follow the boundary. Headers are limited to 8 KiB.
      guard let head = find(blankLine, in: body, from: place - 2), head - place <= 8_192 else { throw failure }
      guard let end = find([0x0D, 0x0A] + mark, in: body, from: head + 2) else { throw failure }
      let headers = String(decoding: body[min(place, head)..<head], as: UTF8.self)
      parts.append(try part(headers, Array(body[min(head + 4, end)..<end])))
      guard parts.count <= mostParts else { throw .invalid("The form has more than \(mostParts) parts.", code: "invalid_form") }
      place = end + 2
    }
  }

  private static func part(_ headers: String, _ bytes: [UInt8]) throws(APIError) -> FormPart {
    var name: String?
    var fileName: String?
    for line in headers.split(separator: "\r\n") where line.lowercased().hasPrefix("content-disposition:") {
      for item in line.split(separator: ";").map({ trimmed($0) }) {
        if item.lowercased().hasPrefix("name=") { name = unquoted(String(item.dropFirst(5))) }
        if item.lowercased().hasPrefix("filename=") { fileName = unquoted(String(item.dropFirst(9))) }
      }
    }
    guard let name else { throw .invalid("A part of the form has no name.", code: "invalid_form") }
    return FormPart(name: name, fileName: fileName, bytes: bytes)
  }

  private static func trimmed(_ text: some StringProtocol) -> String {
    String(text.drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
  }

  private static func unquoted(_ text: String) -> String {
    text.count >= 2 && text.hasPrefix("\"") && text.hasSuffix("\"") ? String(text.dropFirst().dropLast()) : text
  }

  private static func find(_ needle: [UInt8], in body: UnsafeRawBufferPointer, from start: Int) -> Int? {
    guard let first = needle.first, start >= 0 else { return nil }
    var place = start
    while place + needle.count <= body.count {
      if body[place] == first, (1..<needle.count).allSatisfy({ body[place + $0] == needle[$0] }) { return place }
      place += 1
    }
    return nil
  }
}
