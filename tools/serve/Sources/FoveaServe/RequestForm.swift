// SPDX-License-Identifier: Apache-2.0
import Hummingbird

/// A body as JSON and files, sent as JSON or as a form.
enum RequestForm {
  static func read(_ body: ByteBuffer, contentType: String) throws(APIError) -> (json: JSON, files: [(name: String, bytes: [UInt8])]) {
    let result: Result<(json: JSON, files: [(name: String, bytes: [UInt8])]), APIError> = body.withUnsafeReadableBytes { bytes in
      do throws(APIError) { return .success(try read(bytes, contentType)) } catch { return .failure(error) }
    }
    return try result.get()
  }

  private static func read(
    _ bytes: UnsafeRawBufferPointer, _ contentType: String
  ) throws(APIError) -> (json: JSON, files: [(name: String, bytes: [UInt8])]) {
    if let boundary = Multipart.boundary(of: contentType) { return try form(try Multipart.parts(bytes, boundary: boundary)) }
    guard contentType.split(separator: ";").first?.lowercased().hasSuffix("json") ?? false else {
      throw APIError(.unsupportedMediaType, "unsupported_content_type", "The body must be application/json or multipart/form-data.")
    }
    do throws(JSONReader.Failure) { return (try JSONReader.read(bytes), []) } catch {
      throw .invalid("The body is \(error.message).", code: "invalid_json")
    }
  }

  /// The JSON is in a part `request`, or each field is a member; `prompt` is then the question.
  private static func form(_ parts: [FormPart]) throws(APIError) -> (json: JSON, files: [(name: String, bytes: [UInt8])]) {
    var files: [(name: String, bytes: [UInt8])] = []
    var members: [JSON.Member] = []
    var whole: JSON?
    var names: Set<String> = []
    for part in parts {
      if part.fileName != nil, part.name != "request" {
        var name = part.name
        if !names.insert(name).inserted { name += "-\(files.count)" }
        files.append((name, part.bytes))
        continue
      }
      guard let text = part.text else { throw .invalid("The form's part \(part.name) is not UTF-8.", part.name, code: "invalid_form") }
      let json = try? JSONReader.read(text)
      switch part.name {
      case "request":
        guard let json else { throw .invalid("The form's part request is not valid JSON.", "request", code: "invalid_json") }
        whole = json
      case "prompt":
        let messages: JSON = [["role": "user", "content": .string(text)]]
        members += [.init(name: "prompt", value: .string(text)), .init(name: "messages", value: messages)]
      case "model", "user", "task": members.append(.init(name: part.name, value: .string(text)))
      default: members.append(.init(name: part.name, value: json ?? .string(text)))
      }
    }
    return (whole ?? .object(members), files)
  }
}
