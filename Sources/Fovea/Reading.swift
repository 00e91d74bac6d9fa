// SPDX-License-Identifier: Apache-2.0
import CFovea
import Families
import Generation
import Images
import Runtime

@c @implementation
public func fovea_read_image(
  _ session: OpaquePointer?, _ path: UnsafePointer<CChar>?, _ prompt: UnsafePointer<CChar>?, _ encode: UnsafePointer<fovea_encode_options>?,
  _ options: UnsafePointer<fovea_generate_options>?, _ result: UnsafeMutablePointer<fovea_generate_result>?,
  _ text: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> fovea_status {
  readPage(session, prompt, encode, options, result, text) { (options, stop) throws(FoveaError) in try rows(path: path, options, stop) }
}

@c @implementation
public func fovea_read_image_bytes(
  _ session: OpaquePointer?, _ bytes: UnsafeRawPointer?, _ size: Int, _ prompt: UnsafePointer<CChar>?,
  _ encode: UnsafePointer<fovea_encode_options>?, _ options: UnsafePointer<fovea_generate_options>?,
  _ result: UnsafeMutablePointer<fovea_generate_result>?, _ text: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> fovea_status {
  readPage(session, prompt, encode, options, result, text) { (options, _) throws(FoveaError) in try rows(bytes: bytes, size, options) }
}

@c @implementation
public func fovea_read_image_pixels(
  _ session: OpaquePointer?, _ rgb: UnsafePointer<UInt8>?, _ width: Int32, _ height: Int32, _ stride: Int, _ prompt: UnsafePointer<CChar>?,
  _ encode: UnsafePointer<fovea_encode_options>?, _ options: UnsafePointer<fovea_generate_options>?,
  _ result: UnsafeMutablePointer<fovea_generate_result>?, _ text: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> fovea_status {
  readPage(session, prompt, encode, options, result, text) { (_, _) throws(FoveaError) in try rows(rgb: rgb, width, height, stride) }
}

/// Shared by the three ways to give a picture.
///
/// - Parameter image: the picture, of which nothing but its header has been read; called for each pass over its rows.
@inline(never)
private func readPage(
  _ session: OpaquePointer?, _ prompt: UnsafePointer<CChar>?, _ encode: UnsafePointer<fovea_encode_options>?,
  _ given: UnsafePointer<fovea_generate_options>?, _ result: UnsafeMutablePointer<fovea_generate_result>?,
  _ text: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?,
  _ image: (DecodingOptions, StopSignal) throws(FoveaError) -> any RowSource
) -> fovea_status {
  text?.pointee = nil
  return answering(session, result) { (handle) throws(FoveaError) in
    let stop = handle.session.stop
    let c = try generateOptions(given)
    if let seconds = try deadline(c.deadline_seconds) { stop.stop(after: seconds) }
    guard c.region_count == 0 else { throw .argument("options.regions", "a page is read without regions.") }
    var options = try options(c, most: Int.max, vocabulary: handle.model.system.decoder.vocabSize, stop)
    let question = try question(prompt, &options, handle.model)
    var e = fovea_encode_options()
    try read(encode, into: &e, first: FirstSize.encodeOptions, "encode")
    guard e.deadline_seconds == 0 else { throw .argument("encode.deadline_seconds", "the time for all is options.deadline_seconds.") }
    let decoding = try decodingOptions(e, of: handle.model)
    let (tiles, mode) = try viewing(e)
    // The session's deadline is set again, to the same moment.
    if let end = stop.deadline { options.deadlineSeconds = max(Double(Int64(bitPattern: end &- StopSignal.now)) * 1e-9, 1e-9) }
    let answer = try withoutActuallyEscaping(image) { (image) throws(FoveaError) in
      let picture = ReadPicture(tiles: tiles, mode: mode, progress: Progress(e.progress, e.progress_user).closure) { () throws(FoveaError) in
        try cropped(image(decoding, stop), e)
      }
      return try handle.session.read(picture, prompt: question, options: options, onToken: tokenCallback(c.on_token, c.on_token_user))
    }
    try requireMemoryOfCall()
    try handle.keep(answer)
    if let text { text.pointee = try allocateText(answer.text) }
    try report(answer, to: result)
  }
}

/// The request; without one the model's own for reading a page.
private func question(_ prompt: UnsafePointer<CChar>?, _ options: inout GenerateOptions, _ model: Model) throws(FoveaError) -> [UInt8] {
  if prompt != nil { return try copied(text(prompt, "prompt")) }
  if options.task != nil { return [] }
  options.task = model.system.template.readingTask
  return options.task == nil ? Array(PromptTemplate.readingQuestion.utf8) : []
}
