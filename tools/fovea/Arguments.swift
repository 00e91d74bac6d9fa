// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CArguments

/// The program's arguments, any bytes but NUL, mapped to texts without loss: a byte that is not part of well-formed UTF-8 becomes the
/// character U+10FF00 + byte, and so do the bytes of those 128 characters themselves.
enum Arguments {
  /// Without the program's name.
  static var all: [String] {
    var count: Int32 = 0
    guard let vector = program_arguments(&count), count > 0 else { return Array(CommandLine.arguments.dropFirst()) }
    return (1..<max(Int(count), 1)).compactMap { vector[$0] }.map { pointer in
      var bytes: [UInt8] = []
      var place = pointer
      while place.pointee != 0 {
        bytes.append(UInt8(bitPattern: place.pointee))
        place += 1
      }
      return text(of: bytes)
    }
  }

  static func isRawByte(_ scalar: Unicode.Scalar) -> Bool { (0x10FF80...0x10FFFF).contains(scalar.value) }

  static func text(of bytes: [UInt8]) -> String {
    if let text = String(validating: bytes, as: UTF8.self), !text.unicodeScalars.contains(where: isRawByte) { return text }
    var out = String.UnicodeScalarView()
    var i = 0
    while i < bytes.count {
      let character = (1...4).lazy.filter { i + $0 <= bytes.count }
        .compactMap { String(validating: bytes[i..<i + $0], as: UTF8.self)?.unicodeScalars.first }.first
      if let character, !isRawByte(character) {
        out.append(character)
        i += UTF8.width(character)
      } else {
        if let escape = Unicode.Scalar(0x10FF00 + UInt32(bytes[i])) { out.append(escape) }
        i += 1
      }
    }
    return String(out)
  }

  static func bytes(of text: String) -> [UInt8] {
    text.unicodeScalars.flatMap { isRawByte($0) ? [UInt8(truncatingIfNeeded: $0.value)] : Array(String($0).utf8) }
  }
}

/// A file's name as given: any bytes but NUL.
struct FilePath: ExpressibleByArgument, Hashable, CustomStringConvertible {
  /// In the form of `Arguments`.
  let text: String

  /// nil: an empty name, which is no file's.
  init?(argument: String) {
    if argument.isEmpty { return nil }
    text = argument
  }
  init(bytes: [UInt8]) { text = Arguments.text(of: bytes) }

  static var defaultCompletionKind: CompletionKind { .file() }

  var bytes: [UInt8] { Arguments.bytes(of: text) }
  /// NUL-terminated, for C.
  var cString: [CChar] { (bytes + [0]).map { CChar(bitPattern: $0) } }
  /// For display: invalid UTF-8 is replaced.
  var description: String { String(decoding: bytes, as: UTF8.self) }
  /// The last part of the name.
  var name: String { description.split(separator: "/").last.map(String.init) ?? description }
  /// The same where names must differ as those of the files do: a byte that is not UTF-8 is written as `%FF`.
  var recordName: String {
    let name = text.split(separator: "/").last.map(String.init) ?? text
    return name.unicodeScalars.reduce(into: "") { out, scalar in
      if Arguments.isRawByte(scalar) {
        out += "%" + String(scalar.value & 0xFF, radix: 16, uppercase: true)
      } else {
        out.unicodeScalars.append(scalar)
      }
    }
  }
  var isStandardInput: Bool { text == "-" }

  /// The path of a file to write, `-` being standard output.
  var output: String { text == "-" ? "/dev/stdout" : text }

  func appending(_ name: [UInt8]) -> FilePath { FilePath(bytes: bytes + [UInt8(ascii: "/")] + name) }

  /// The path for code that requires UTF-8.
  func utf8() throws(CommandFailure) -> String {
    if text.unicodeScalars.contains(where: Arguments.isRawByte) {
      throw CommandFailure(.usage, "\(description): the name is not valid UTF-8, which is not supported here.")
    }
    return text
  }
}

/// A text that came as bytes: UTF-8 without NUL, as the library takes it.
/// - Parameter what: what it is and where it stood, for the message.
func validText(_ bytes: [UInt8], _ what: String) throws(CommandFailure) -> String {
  guard let text = String(validating: bytes, as: UTF8.self) else { throw CommandFailure(.usage, "\(what) is not valid UTF-8.") }
  guard !bytes.contains(0) else { throw CommandFailure(.usage, "\(what) contains a NUL.") }
  return text
}

/// For options whose value is text.
func validText(_ argument: String) throws -> String {
  if argument.unicodeScalars.contains(where: Arguments.isRawByte) { throw ValidationError("The text is not valid UTF-8.") }
  return argument
}
