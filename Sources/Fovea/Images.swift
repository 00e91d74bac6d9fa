// SPDX-License-Identifier: Apache-2.0
import CFovea
import Families
import Generation
import Images
import Runtime

@c @implementation
public func fovea_encode_image(
  _ model: OpaquePointer?, _ path: UnsafePointer<CChar>?, _ options: UnsafePointer<fovea_encode_options>?,
  _ out: UnsafeMutablePointer<OpaquePointer?>?
) -> fovea_status {
  encode(model, options, out) { (options, stop) throws(FoveaError) in try rows(path: path, options, stop) }
}

@c @implementation
public func fovea_encode_image_bytes(
  _ model: OpaquePointer?, _ bytes: UnsafeRawPointer?, _ size: Int, _ options: UnsafePointer<fovea_encode_options>?,
  _ out: UnsafeMutablePointer<OpaquePointer?>?
) -> fovea_status {
  encode(model, options, out) { (options, stop) throws(FoveaError) in try rows(bytes: bytes, size, options) }
}

@c @implementation
public func fovea_encode_image_pixels(
  _ model: OpaquePointer?, _ rgb: UnsafePointer<UInt8>?, _ width: Int32, _ height: Int32, _ stride: Int,
  _ options: UnsafePointer<fovea_encode_options>?, _ out: UnsafeMutablePointer<OpaquePointer?>?
) -> fovea_status {
  encode(model, options, out) { (_, _) throws(FoveaError) in try rows(rgb: rgb, width, height, stride) }
}

// MARK: the three ways to give an image, of which nothing but its header has been read

func rows(path: UnsafePointer<CChar>?, _ options: DecodingOptions, _ stop: StopSignal) throws(FoveaError) -> any RowSource {
  let path = try requiredPath(path, "path")
  do throws(ImageError) { return try EncodedRows(path: path, options: options, isStopped: { stop.isStopped }) } catch {
    throw FoveaError(error, stop)
  }
}

func rows(bytes: UnsafeRawPointer?, _ size: Int, _ options: DecodingOptions) throws(FoveaError) -> any RowSource {
  let bytes = try buffer(try required(bytes, "bytes").assumingMemoryBound(to: UInt8.self), count: size, "size")
  do throws(ImageError) { return try EncodedRows(encoded: UnsafeRawBufferPointer(bytes), options: options) } catch {
    throw FoveaError(error)
  }
}

func rows(rgb: UnsafePointer<UInt8>?, _ width: Int32, _ height: Int32, _ stride: Int) throws(FoveaError) -> any RowSource {
  let rgb = try required(rgb, "rgb")
  guard width > 0, height > 0 else { throw .argument("width, height", "\(width) × \(height) is no image size.") }
  guard max(width, height) <= EncodedRows.longestSide else {
    throw .argument("width, height", "\(width) × \(height), a side must have at most \(EncodedRows.longestSide) pixels.")
  }
  let row = 3 * Int(width)
  guard stride == 0 || stride >= row else { throw .argument("stride", "\(stride) bytes are less than a row's \(row).") }
  do throws(ImageError) {
    return try PixelRows(rgb: rgb, width: Int(width), height: Int(height), stride: stride)
  } catch { throw FoveaError(error) }
}

/// Shared by the three.
@inline(never)
private func encode(
  _ model: OpaquePointer?, _ options: UnsafePointer<fovea_encode_options>?, _ out: UnsafeMutablePointer<OpaquePointer?>?,
  _ image: (DecodingOptions, StopSignal) throws(FoveaError) -> any RowSource
) -> fovea_status {
  out?.pointee = nil
  return status { () throws(FoveaError) in
    let model: ModelHandle = try object(model, "model")
    let out = try required(out, "out")
    var c = fovea_encode_options()
    try read(options, into: &c, first: FirstSize.encodeOptions, "options")
    let (tiles, mode) = try viewing(c)
    let decoding = try decodingOptions(c, of: model.model)
    let stop = StopSignal()
    if let seconds = try deadline(c.deadline_seconds) { stop.stop(after: seconds) }
    let image = try cropped(image(decoding, stop), c)
    let progress = Progress(c.progress, c.progress_user)
    let embedding = try model.model.encode(image, tiles: tiles, mode: mode, stop: stop, progress: progress.closure)
    try progress.finish()
    out.pointee = try handle(owning: ImageHandle(model.model, embedding))
  }
}

/// How an image is to be looked at; nil: as the system does it by default.
func viewing(_ c: fovea_encode_options) throws(FoveaError) -> (tiles: Int?, mode: [UInt8]?) {
  let tiles = try count(c.tiles, "options.tiles")
  return (tiles == 0 ? nil : tiles, c.mode == nil ? nil : Array(try text(c.mode, "options.mode")))
}

/// The part of a picture that the options ask for.
func cropped(_ image: any RowSource, _ c: fovea_encode_options) throws(FoveaError) -> any RowSource {
  let (x, y) = (try count(c.crop_x, "options.crop_x"), try count(c.crop_y, "options.crop_y"))
  let (width, height) = (try count(c.crop_width, "options.crop_width"), try count(c.crop_height, "options.crop_height"))
  if x == 0, y == 0, width == 0, height == 0 { return image }
  do throws(ImageError) { return try CroppedRows(image, x: x, y: y, width: width, height: height) } catch { throw FoveaError(error) }
}

func decodingOptions(_ c: fovea_encode_options, of model: Model) throws(FoveaError) -> DecodingOptions {
  var options = DecodingOptions(room: model.room, heldRoom: min(EncodedRows.defaultRoom, model.memoryLimit / 2))
  switch Int(c.orientation) {
  case FOVEA_ORIENTATION_DEFAULT, FOVEA_ORIENTATION_UPRIGHT: break
  case FOVEA_ORIENTATION_STORED: options.applyOrientation = false
  default: throw .argument("options.orientation", "is \(c.orientation), must be one of FOVEA_ORIENTATION_…")
  }
  switch Int(c.alpha) {
  case FOVEA_ALPHA_WHITE: break
  case FOVEA_ALPHA_COLOUR:
    guard c.background <= 0xFF_FFFF else { throw .argument("options.background", "is \(c.background), must be 0xRRGGBB.") }
    options.background = RGBColour(
      UInt8(truncatingIfNeeded: c.background >> 16), UInt8(truncatingIfNeeded: c.background >> 8),
      UInt8(truncatingIfNeeded: c.background))
  case FOVEA_ALPHA_DROP: options.background = nil
  default: throw .argument("options.alpha", "is \(c.alpha), must be one of FOVEA_ALPHA_…")
  }
  return options
}

@c @implementation
public func fovea_image_embedding_retain(_ embedding: OpaquePointer?) -> OpaquePointer? {
  if let embedding { _ = Unmanaged<ImageHandle>.fromOpaque(UnsafeRawPointer(embedding)).retain() }
  return embedding
}

@c @implementation
public func fovea_image_embedding_release(_ embedding: OpaquePointer?) { release(embedding, as: ImageHandle.self) }

@c @implementation
public func fovea_image_embedding_get_info(
  _ embedding: OpaquePointer?, _ info: UnsafeMutablePointer<fovea_image_info>?
) -> fovea_status {
  status { () throws(FoveaError) in
    let image: ImageHandle = try object(embedding, "embedding")
    let info = try required(info, "info")
    var c = fovea_image_info()
    c.width = int32(image.embedding.width)
    c.height = int32(image.embedding.height)
    c.tokens = int32(image.embedding.tokens)
    c.hidden_size = int32(image.embedding.hiddenSize)
    c.views = int32(image.embedding.views.count)
    try write(c, to: info, first: FirstSize.imageInfo, "info")
  }
}

@c @implementation
public func fovea_image_embedding_get_view(
  _ embedding: OpaquePointer?, _ index: Int, _ view: UnsafeMutablePointer<fovea_image_view>?
) -> fovea_status {
  status { () throws(FoveaError) in
    let image: ImageHandle = try object(embedding, "embedding")
    let out = try required(view, "view")
    guard image.embedding.views.indices.contains(index) else {
      throw .argument("index", "is \(index), the image has \(image.embedding.views.count) views.")
    }
    let view = image.embedding.views[index]
    var c = fovea_image_view()
    c.x = view.area.x
    c.y = view.area.y
    c.width = view.area.width
    c.height = view.area.height
    c.row = int32(view.row)
    c.column = int32(view.column)
    c.first_token = int32(view.firstToken)
    c.tokens = int32(view.tokens)
    try write(c, to: out, first: FirstSize.imageView, "view")
  }
}

@c @implementation
public func fovea_image_embedding_data(_ embedding: OpaquePointer?) -> UnsafePointer<Float>? {
  guard let image: ImageHandle = try? object(embedding, "embedding") else { return nil }
  return image.embedding.data
}
