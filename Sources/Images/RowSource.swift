// SPDX-License-Identifier: Apache-2.0

/// An image as a stream of rows, top to bottom in stored order, read once.
package protocol RowSource: AnyObject {
  /// What error texts call it: the file's path, or what the bytes or pixels are.
  var name: String { get }
  /// Pixels as stored, at least 1.
  var storedWidth: Int { get }
  var storedHeight: Int { get }
  /// How the stored pixels lie in the picture.
  var orientation: Orientation { get }
  /// Bytes that reading takes, at most, beside what becomes of the rows.
  var workingBytes: Int { get }

  /// Takes the memory and does what is needed before the first row. Called once.
  /// - Parameter isStopped: asked often; true ends the work with `ImageError.stopped`.
  func start(isStopped: @escaping () -> Bool) throws(ImageError)

  /// The next row, 3 · storedWidth bytes, valid until the next call.
  func next() throws(ImageError) -> UnsafePointer<UInt8>
}

extension RowSource {
  /// Pixels of the upright picture.
  package var size: ImageSize {
    let size = orientation.size(width: storedWidth, height: storedHeight)
    return ImageSize(width: size.width, height: size.height)
  }

  /// The next row as a mask: 0 where a pixel is black.
  /// - Parameter mask: receives storedWidth bytes.
  package func nextMask(into mask: UnsafeMutablePointer<UInt8>) throws(ImageError) {
    let row = try next()
    for x in 0..<storedWidth { mask[x] = row[3 * x] | row[3 * x + 1] | row[3 * x + 2] }
  }

  /// Makes pictures of the image in one pass over its rows, then those that are made of these.
  /// - Parameters:
  ///   - plans: made for this image's `size`.
  ///   - room: bytes that reading, the work and the pictures may take together; more is an error before any is taken. Nil:
  ///     no limit.
  ///   - isStopped: asked between rows; true ends the work with `ImageError.stopped`.
  package func pictures(
    _ plans: [PicturePlan], room: Int? = nil, isStopped: @escaping () -> Bool = { false }
  ) throws(ImageError) -> [RGBImage] {
    do throws(ImageError) {
      try check(plans, room: room)
      var pictures: [RGBImage] = []
      var sinks: [any RowSink] = []
      for plan in plans {
        let picture = try RGBImage(width: plan.width, height: plan.height, colour: plan.colour)
        pictures.append(picture)
        if plan.source == .image { sinks.append(try sink(plan, picture, isStopped)) }
      }
      try read(into: sinks, isStopped)
      for (i, plan) in plans.enumerated() {
        guard case .picture(let from, _) = plan.source else { continue }
        assert(from < i)
        let rows = PixelRows(pictures[from])
        try rows.read(into: [rows.sink(plan, pictures[i], isStopped)], isStopped)
      }
      return pictures
    } catch {
      throw error.naming(name)
    }
  }

  /// The whole image, upright.
  package func image(room: Int? = nil, isStopped: @escaping () -> Bool = { false }) throws(ImageError) -> RGBImage {
    do throws(ImageError) {
      let size = self.size
      try check(bytes: workingBytes + 3 * size.width * size.height, room: room)
      let image = try RGBImage(unwrittenWidth: size.width, height: size.height)
      let place = PicturePlace(image, x: 0, y: 0, width: size.width, height: size.height, orientation)
      try read(into: [RowCopy(place, pixels: storedWidth)], isStopped)
      return image
    } catch {
      throw error.naming(name)
    }
  }

  func read(into sinks: [any RowSink], _ isStopped: @escaping () -> Bool) throws(ImageError) {
    try start(isStopped: isStopped)
    for _ in 0..<storedHeight {
      if isStopped() { throw .stopped }
      let row = try next()
      for sink in sinks { try sink.take(row, isStopped: isStopped) }
    }
  }

  private func sink(
    _ plan: PicturePlan, _ picture: RGBImage, _ isStopped: () -> Bool
  ) throws(ImageError) -> any RowSink {
    switch plan.resize {
    case .linear(let width, let height):
      let place = PicturePlace(picture, x: plan.x, y: plan.y, width: width, height: height, orientation)
      return try LinearResampler(size, width: width, height: height, orientation, place: place)
    case .antialiased(let filter, let columns, let rows):
      let place = PicturePlace(
        picture, x: plan.x, y: plan.y, width: columns.kept.count, height: rows.kept.count, orientation)
      return try AreaResampler(
        AreaResampler.Passes(filter, columns: columns, rows: rows, orientation), colour: plan.colour, place: place,
        isStopped: isStopped)
    }
  }

  /// Throws `overBudget` for plans that take more than `room`.
  private func check(_ plans: [PicturePlan], room: Int?) throws(ImageError) {
    var bytes = workingBytes
    for plan in plans {
      guard let picture = plan.pictureBytes, let work = plan.workingBytes(storedWidth: storedWidth, orientation) else {
        throw .overBudget(source: name, width: size.width, height: size.height, bytes: Int.max, room: room ?? Int.max)
      }
      let (sum, overflows) = bytes.addingReportingOverflow(picture)
      let (all, allOverflow) = sum.addingReportingOverflow(work)
      bytes = overflows || allOverflow ? Int.max : all
    }
    try check(bytes: bytes, room: room)
  }

  private func check(bytes: Int, room: Int?) throws(ImageError) {
    guard let room, bytes > room else { return }
    throw .overBudget(source: name, width: size.width, height: size.height, bytes: bytes, room: room)
  }
}

/// Pixels in memory as a source: a caller's, read in place, or an image's.
package final class PixelRows: RowSource {
  package let name: String
  package let storedWidth, storedHeight: Int
  package var orientation: Orientation { .upright }
  package var workingBytes: Int { 0 }
  private let stride: Int
  private let first: UnsafePointer<UInt8>
  private var given = 0
  /// Keeps the image whose pixels these are; nil for a caller's pixels.
  private let owner: RGBImage?

  /// - Parameters:
  ///   - rgb: `height` rows of 3 · `width` bytes, `stride` bytes apart, valid until the source is released.
  ///   - stride: at least 3 · `width`; 0 means exactly that.
  package init(
    rgb: UnsafePointer<UInt8>, width: Int, height: Int, stride: Int = 0, name: String = "the image's pixels",
    maximumPixels: Int = RGBImage.defaultMaximumPixels
  ) throws(ImageError) {
    guard width > 0, height > 0 else {
      throw .badArgument(what: "The pixels are said to be \(width) × \(height); both sides must be at least 1.")
    }
    try RGBImage.check(width: width, height: height, limit: maximumPixels, source: name)
    let (row, rowOverflows) = width.multipliedReportingOverflow(by: 3)
    let step = stride == 0 ? row : stride
    let (_, extentOverflows) = step.multipliedReportingOverflow(by: height)
    guard !rowOverflows, step >= row, !extentOverflows else {
      throw .badArgument(what: "A stride of \(stride) bytes does not suit rows of \(width) pixels of 3 bytes.")
    }
    (self.name, storedWidth, storedHeight, self.stride) = (name, width, height, step)
    first = rgb
    owner = nil
  }

  package init(_ image: RGBImage) {
    (name, storedWidth, storedHeight, stride) = ("the image", image.width, image.height, image.stride)
    first = UnsafePointer(image.pixels)
    owner = image
  }

  package func start(isStopped: @escaping () -> Bool) throws(ImageError) { given = 0 }

  package func next() throws(ImageError) -> UnsafePointer<UInt8> {
    guard given < storedHeight else { throw .badArgument(what: "\(name): has no more rows.") }
    defer { given += 1 }
    return first + given * stride
  }
}
