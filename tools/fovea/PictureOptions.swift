// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Images
import Runtime

/// How picture files are decoded.
struct PictureOptions: ParsableArguments {
  @Flag(help: "Leave images as they are stored instead of turning them as EXIF says.")
  var asStored = false

  @Option(help: ArgumentHelp("Paint transparent pixels on this colour; white without it.", valueName: "RRGGBB"))
  var background: String?

  @Flag(help: "Take transparent pixels for opaque, as the reference systems do.")
  var dropAlpha = false

  func validate() throws {
    if background != nil, colour == nil { throw ValidationError("--background: six hexadecimal digits are needed, RRGGBB.") }
    if background != nil, dropAlpha { throw ValidationError("--background and --drop-alpha exclude each other.") }
  }

  private var colour: RGBColour? {
    guard let background, background.utf8.count == 6, let value = UInt32(background, radix: 16) else { return nil }
    return RGBColour(UInt8(value >> 16), UInt8(value >> 8 & 255), UInt8(value & 255))
  }

  /// What a picture may take that has to be held whole, as the library has it without a budget.
  static let heldRoom = min(EncodedRows.defaultRoom, ProcessMemory.limitBytes() / 2)

  /// The decoding options, for records.
  var description: String { "\(asStored ? "as stored" : "upright"), \(dropAlpha ? "alpha dropped" : "on \(background ?? "FFFFFF")")" }

  var decoding: DecodingOptions {
    DecodingOptions(applyOrientation: !asStored, background: dropAlpha ? nil : colour ?? .white, heldRoom: Self.heldRoom)
  }
}

/// How pictures are cut into views.
struct ViewOptions: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: "Most tiles to cut an image into, where the system cuts on request (GOT-OCR2, DeepSeek-OCR 2: up to 6; DeepSeek-OCR: up to 9).")
  var tiles: Int32 = 0

  @Option(
    help: "One of the ways in which the model looks at images (DeepSeek-OCR: tiny, small, base, large, gundam; HiRes-LLaVA: 100% to 400%).",
    transform: validText)
  var mode: String?

  /// The modes to encode a picture in: each size that the model names, unless another view is asked for.
  func modes(of model: Model) -> [String?] { mode == nil && tiles == 0 && !model.readingModes.isEmpty ? model.readingModes : [mode] }
}
