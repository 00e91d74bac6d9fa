// SPDX-License-Identifier: Apache-2.0
import CFovea
import Families
import Fovea
import Testing

struct StatusTests {
  @Test func everyStatusIsNamedAndTheNumbersAreTheLibrarys() {
    for (number, name) in [
      (FOVEA_OK, "FOVEA_OK"), (FOVEA_ERROR_ARGUMENT, "FOVEA_ERROR_ARGUMENT"), (FOVEA_ERROR_IO, "FOVEA_ERROR_IO"),
      (FOVEA_ERROR_FORMAT, "FOVEA_ERROR_FORMAT"), (FOVEA_ERROR_MEMORY, "FOVEA_ERROR_MEMORY"),
      (FOVEA_ERROR_UNSUPPORTED, "FOVEA_ERROR_UNSUPPORTED"), (FOVEA_ERROR_BUSY, "FOVEA_ERROR_BUSY"),
      (FOVEA_ERROR_CANCELLED, "FOVEA_ERROR_CANCELLED"), (FOVEA_ERROR_DEADLINE, "FOVEA_ERROR_DEADLINE"),
      (FOVEA_ERROR_CONTEXT, "FOVEA_ERROR_CONTEXT"), (FOVEA_ERROR_IMAGE, "FOVEA_ERROR_IMAGE"),
      (FOVEA_ERROR_INTERNAL, "FOVEA_ERROR_INTERNAL"), (FOVEA_ERROR_BUFFER, "FOVEA_ERROR_BUFFER"),
    ] {
      #expect(String(cString: fovea_status_name(fovea_status(number))) == name)
    }
    let pinned: [(Status, Int)] = [
      (.ok, 0), (.argument, 1), (.io, 2), (.format, 3), (.memory, 4), (.unsupported, 5), (.busy, 6), (.cancelled, 7),
      (.deadline, 8), (.context, 9), (.image, 10), (.internal, 11), (.buffer, 12),
    ]
    for (status, number) in pinned { #expect(status.rawValue == number) }
    #expect(FOVEA_ERROR_ARGUMENT == 1 && FOVEA_ERROR_FORMAT == 3 && FOVEA_ERROR_CONTEXT == 9 && FOVEA_ERROR_BUFFER == 12)
  }

  @Test(arguments: [-1, 13, Int32.max, Int32.min]) func anUnknownStatusHasAName(_ number: Int32) {
    #expect(String(cString: fovea_status_name(number)) == "FOVEA_ERROR_UNKNOWN")
  }

  @Test func theLibraryIsTheHeadersVersion() {
    #expect(String(cString: fovea_version()) == FOVEA_VERSION)
    let number = FOVEA_VERSION_MAJOR * 10000 + FOVEA_VERSION_MINOR * 100 + FOVEA_VERSION_PATCH
    #expect(fovea_version_number() == number)
  }

  @Test func aLongErrorTextLosesItsMiddle() {
    // 3-byte characters in the path: the room holds no whole number of them.
    for extra in 0..<3 {
      let path = "/" + String(repeating: "x", count: extra) + String(repeating: "€", count: 1000)
      var out: OpaquePointer?
      #expect(fovea_load(path, nil, &out) == FOVEA_ERROR_IO)
      let text = lastError()
      #expect(text.utf8.count <= 1023 && text.utf8.count > 1015)
      #expect(text.hasPrefix("/") && text.contains("€…€") && text.hasSuffix("File name too long"))
      #expect(!text.unicodeScalars.contains("\u{FFFD}"))
    }
  }

  @Test func whatSteersATerminalIsWrittenByItsNumber() {
    var out: OpaquePointer?
    #expect(fovea_load("/none\u{1B}[31m\n\u{9B}\u{202E}é€😀", nil, &out) == FOVEA_ERROR_IO)
    #expect(lastError().hasPrefix("/none\\u{1b}[31m\\u{a}\\u{9b}\\u{202e}é€😀: "))
  }

  @Test func aSuccessLeavesTheErrorTextAlone() throws {
    var out: OpaquePointer?
    #expect(fovea_load("/nonexistent/first", nil, &out) == FOVEA_ERROR_IO)
    let model = try Loaded()
    #expect(lastError().contains("/nonexistent/first"))
    _ = model
  }
}
