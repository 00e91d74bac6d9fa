// SPDX-License-Identifier: Apache-2.0

import ImageCodecs
import Shims

/// How an encoded image is read.
package struct DecodingOptions {
  /// Turn the image the way its Exif orientation says (as Pillow's `exif_transpose`). Without it the pixels come as stored.
  package var applyOrientation = true
  /// What transparent pixels are blended with; nil: they count as opaque, as in Pillow's `convert("RGB")`.
  package var background: RGBColour? = .white
  /// More pixels than this are refused once the header is read, before memory is taken for them.
  package var maximumPixels = RGBImage.defaultMaximumPixels
  /// Bytes that the file and its decoder may take; more is refused before any is taken.
  package var room: Int?
  /// The same, without `room`, for an image that has to be held whole.
  package var heldRoom: Int

  package init(
    applyOrientation: Bool = true, background: RGBColour? = .white, maximumPixels: Int = RGBImage.defaultMaximumPixels,
    room: Int? = nil, heldRoom: Int = EncodedRows.defaultRoom
  ) {
    self.applyOrientation = applyOrientation
    self.background = background
    self.maximumPixels = maximumPixels
    self.room = room
    self.heldRoom = heldRoom
  }
}

/// The rows of a PNG or JPEG image. The pixels are those of Pillow's `Image.open(path).convert("RGB")`, except that transparent ones are blended with
/// a colour by default and 16-bit grey keeps its high byte; colour profiles and gamma are ignored.
///
/// No row of an interlaced PNG or a JPEG of several scans is complete before the last pass, so they are held whole: PNG as stored (at most 4 bytes a
/// pixel), JPEG as coefficients. `workingBytes` counts that.
package final class EncodedRows: RowSource {
  package let name: String
  package let storedWidth, storedHeight: Int
  package let orientation: Orientation
  package let workingBytes: Int

  private enum Decoder {
    case png(OpaquePointer)
    case jpeg(OpaquePointer)
  }
  private let decoder: Decoder
  private let format: ImageFormat
  private let passes: Int
  private let background: RGBColour?
  /// The file, where this object has read it.
  private let file: FileBytes?
  /// One row as stored, or all rows of an interlaced image; then one row as returned.
  private var rows: UnsafeMutablePointer<UInt8>?
  private var pixelBytes = 3
  private var given = 0
  private var isStopped: () -> Bool = { false }

  /// A side of more pixels is refused: no row takes longer than a few milliseconds.
  package static let longestSide = 1 << 20
  /// Default limit of bytes for an image that has to be held whole.
  package static let defaultRoom = 512 << 20

  /// Reads the file, not yet its pixels.
  /// - Parameters:
  ///   - path: any bytes but NUL; error texts show it with what is not UTF-8 replaced.
  ///   - isStopped: asked between pieces of it; true ends the work with `ImageError.stopped`.
  package convenience init(
    path: UnsafePointer<CChar>, options: DecodingOptions = DecodingOptions(), isStopped: () -> Bool = { false }
  ) throws(ImageError) {
    let file = try FileBytes(path: path, room: options.room, isStopped: isStopped)
    try self.init(file.bytes, file: file, name: String(cString: path), options: options)
  }

  /// - Parameters:
  ///   - bytes: must stay valid until the source is released.
  ///   - name: what error texts call the image.
  package convenience init(
    encoded bytes: UnsafeRawBufferPointer, name: String = "encoded image", options: DecodingOptions = DecodingOptions()
  ) throws(ImageError) {
    try self.init(bytes, file: nil, name: name, options: options)
  }

  private init(
    _ bytes: UnsafeRawBufferPointer, file: FileBytes?, name: String, options: DecodingOptions
  ) throws(ImageError) {
    guard let format = ImageFormat(bytes) else { throw .unknownFormat(source: name, found: ForeignPicture(bytes)) }
    let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
    var facts = CodecFacts()
    let status: CodecStatus
    switch format {
    case .png:
      guard let png = codecPNGOpen(start, bytes.count) else { throw .outOfMemory(source: name, bytes: 0) }
      decoder = .png(png)
      status = codecPNGHeader(png, &facts)
    case .jpeg:
      guard let jpeg = codecJPEGOpen(start, bytes.count) else { throw .outOfMemory(source: name, bytes: 0) }
      decoder = .jpeg(jpeg)
      status = codecJPEGHeader(jpeg, &facts)
    }
    (self.name, self.format, self.file) = (name, format, file)
    (storedWidth, storedHeight) = (Int(facts.width), Int(facts.height))
    passes = Int(facts.passes)
    background = options.background
    orientation = options.applyOrientation && status == CODEC_OK ? exifOrientation(of: bytes, format: format) : .upright
    // The area is checked below; until then it may be anything.
    let area = storedWidth.multipliedReportingOverflow(by: storedHeight)
    let held = passes > 1 && !area.overflow ? 4 * min(area.partialValue, RGBImage.maximumPixels) : 4 * storedWidth
    let memory = Int(clamping: facts.memory)
    workingBytes = (file?.bytes.count ?? 0) + min(memory, Int.max >> 2) + held + 3 * storedWidth

    try check(status, bytes: memory)
    try RGBImage.check(width: storedWidth, height: storedHeight, limit: options.maximumPixels, source: name)
    guard max(storedWidth, storedHeight) <= Self.longestSide else {
      throw .tooLong(source: name, width: storedWidth, height: storedHeight, limit: Self.longestSide)
    }
    let room = options.room ?? (passes > 1 || facts.isBuffered != 0 ? options.heldRoom : Int.max)
    guard workingBytes <= room else {
      throw .overBudget(source: name, width: size.width, height: size.height, bytes: workingBytes, room: room)
    }
  }

  deinit {
    switch decoder {
    case .png(let png): codecPNGClose(png)
    case .jpeg(let jpeg): codecJPEGClose(jpeg)
    }
    block_free(rows)
  }

  package func start(isStopped: @escaping () -> Bool) throws(ImageError) {
    guard rows == nil else { throw .badArgument(what: "\(name): its rows have been read.") }
    self.isStopped = isStopped
    switch decoder {
    case .png(let png):
      var alpha = CodecAlpha()
      if let background { alpha.colour = (background.red, background.green, background.blue) } else { alpha.drop = 1 }
      var bytes: Int32 = 0
      try check(codecPNGStart(png, alpha, &bytes), bytes: workingBytes)
      pixelBytes = Int(bytes)
    case .jpeg(let jpeg):
      let status = codecJPEGStart(
        jpeg, { rows in rows.map { Unmanaged<EncodedRows>.fromOpaque($0).takeUnretainedValue().isStopped() } == true ? 1 : 0 },
        Unmanaged.passUnretained(self).toOpaque())
      try check(status, bytes: workingBytes)
    }
    let held = (passes > 1 ? storedHeight : 1) * storedWidth * pixelBytes
    guard let memory = block_allocate(held + 3 * storedWidth) else { throw .outOfMemory(source: name, bytes: held) }
    rows = memory.bindMemory(to: UInt8.self, capacity: held + 3 * storedWidth)
    if passes > 1, case .png(let png) = decoder { try readPasses(png) }
  }

  /// Reads an interlaced image as a whole.
  private func readPasses(_ png: OpaquePointer) throws(ImageError) {
    guard let rows else { return }
    for _ in 0..<passes {
      for y in 0..<storedHeight {
        if isStopped() { throw .stopped }
        try check(codecPNGRow(png, rows + y * storedWidth * pixelBytes), bytes: workingBytes)
      }
    }
  }

  package func next() throws(ImageError) -> UnsafePointer<UInt8> {
    guard let rows, given < storedHeight else { throw .badArgument(what: "\(name): has no more rows.") }
    defer { given += 1 }
    switch decoder {
    case .jpeg(let jpeg):
      try check(codecJPEGRow(jpeg, rows), bytes: workingBytes)
      return UnsafePointer(rows)
    case .png(let png):
      let bytes = storedWidth * pixelBytes
      let colours = rows + (passes > 1 ? storedHeight : 1) * bytes
      let row = passes > 1 ? rows + given * bytes : rows
      if passes == 1 { try check(codecPNGRow(png, row), bytes: workingBytes) }
      codecPNGColours(png, row, colours)
      return UnsafePointer(colours)
    }
  }

  private func check(_ status: CodecStatus, bytes: Int) throws(ImageError) {
    switch status {
    case CODEC_OK: return
    case CODEC_TRUNCATED: throw .truncated(source: name, format: format)
    case CODEC_MEMORY: throw .outOfMemory(source: name, bytes: bytes)
    case CODEC_STOPPED: throw .stopped
    default:
      let message: UnsafePointer<CChar>?
      switch decoder {
      case .png(let png): message = codecPNGMessage(png)
      case .jpeg(let jpeg): message = codecJPEGMessage(jpeg)
      }
      throw .damaged(source: name, format: format, cause: message.map { String(cString: $0) } ?? "unknown error")
    }
  }
}
