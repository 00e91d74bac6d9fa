// SPDX-License-Identifier: Apache-2.0

/// A picture's bytes, and the key that identifies them.
struct PictureSource: Sendable {
  let bytes: [UInt8]
  let key: PictureKey
  let width, height: Int

  /// - Throws: if it is neither PNG nor JPEG, or has too many pixels.
  init(_ bytes: [UInt8], limits: Limits, name: String) throws(APIError) {
    guard let size = PictureFile.size(bytes), size.width > 0, size.height > 0 else {
      let what = PictureFile.isPDF(bytes) ? "\(name) is a PDF file, which /v1/ocr reads." : "\(name) is no PNG or JPEG file."
      throw .invalid(what, name, code: "invalid_image")
    }
    let pixels = size.width.multipliedReportingOverflow(by: size.height)
    guard !pixels.overflow, pixels.partialValue <= limits.pixels else {
      throw .invalid("\(name) has \(size.width) x \(size.height) pixels; the limit is \(limits.pixels).", name, code: "image_too_large")
    }
    (self.bytes, width, height, key) = (bytes, size.width, size.height, PictureKey(bytes))
  }
}

/// The files of a multipart form.
struct Attachments {
  private(set) var files: [(name: String, bytes: [UInt8])] = []
  private(set) var used: Set<String> = []

  mutating func add(_ name: String, _ bytes: [UInt8]) { files.append((name, bytes)) }

  /// Those that no message refers to.
  var others: [(name: String, bytes: [UInt8])] { files.filter { !used.contains($0.name) } }

  /// The bytes of an address: `data:image/png;base64,…`, or `attachment:NAME` of a form. Others are refused: fetching URLs that clients name
  /// would expose what only the server can reach (SSRF).
  mutating func bytes(of address: String, _ name: String) throws(APIError) -> [UInt8] {
    let scheme = address.prefix { $0 != ":" }.lowercased()
    switch scheme {
    case "data":
      guard let comma = address.firstIndex(of: ","), address[..<comma].lowercased().hasSuffix(";base64") else {
        throw .invalid("\(name) must be a data URL in base64.", name, code: "invalid_image_url")
      }
      guard let bytes = Base64.decode(address[address.index(after: comma)...].utf8), !bytes.isEmpty else {
        throw .invalid("\(name) is not valid base64.", name, code: "invalid_image_url")
      }
      return bytes
    case "attachment":
      let wanted = String(address.dropFirst(scheme.count + 1))
      guard let file = files.first(where: { $0.name == wanted }) else {
        throw .invalid("\(name): the form has no file part \"\(wanted)\".", name, code: "invalid_image_url")
      }
      used.insert(wanted)
      return file.bytes
    case "http", "https", "file", "ftp":
      throw .invalid("\(name): \(scheme): addresses are not fetched; send the image itself as a data URL.", name, code: "unsupported_image_url")
    default: throw .invalid("\(name) must be a data URL.", name, code: "invalid_image_url")
    }
  }
}
