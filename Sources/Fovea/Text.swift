// SPDX-License-Identifier: Apache-2.0
import CFovea
import Families
import Generation
import Shims

@c @implementation
public func fovea_tokenize(
  _ model: OpaquePointer?, _ text: UnsafePointer<CChar>?, _ length: Int, _ ids: UnsafeMutablePointer<Int32>?, _ capacity: Int,
  _ count: UnsafeMutablePointer<Int>?
) -> fovea_status {
  count?.pointee = 0
  return status { () throws(FoveaError) in
    let handle: ModelHandle = try object(model, "model")
    let count = try required(count, "count")
    let found = try tokenize(handle, text, length)
    count.pointee = found.count
    try deliver(found, into: ids, capacity: capacity, "ids")
  }
}

@c @implementation
public func fovea_detokenize(
  _ model: OpaquePointer?, _ ids: UnsafePointer<Int32>?, _ count: Int, _ flags: Int32, _ buffer: UnsafeMutablePointer<CChar>?,
  _ capacity: Int, _ length: UnsafeMutablePointer<Int>?
) -> fovea_status {
  length?.pointee = 0
  return status { () throws(FoveaError) in
    let handle: ModelHandle = try object(model, "model")
    let length = try required(length, "length")
    guard flags == 0 || Int(flags) == FOVEA_DETOKENIZE_SPECIALS else { throw .argument("flags", "is \(flags), has bits without a meaning.") }
    let text = try detokenize(handle, ids, count, showsSpecials: flags != 0)
    length.pointee = text.count
    try deliver(text: text, into: buffer, capacity: capacity, "buffer")
  }
}

@c @implementation
public func fovea_string_free(_ text: UnsafeMutablePointer<CChar>?) { free(text) }

@inline(never)
private func tokenize(
  _ handle: ModelHandle, _ text: UnsafePointer<CChar>?, _ length: Int
) throws(FoveaError) -> [Int32] {
  let bytes = UnsafeRawBufferPointer(try buffer(text, count: length, "text")).bindMemory(to: UInt8.self)
  try requireLength(bytes.count, "text")
  try requireUTF8(bytes, "text")
  return try handle.model.tokenize(copied(bytes))
}

@inline(never)
private func detokenize(
  _ handle: ModelHandle, _ ids: UnsafePointer<Int32>?, _ count: Int, showsSpecials: Bool
) throws(FoveaError) -> [UInt8] {
  let given = try buffer(ids, count: count, "ids")
  var copy = try list(of: Int32.self, count: given.count)
  copy += given
  return try handle.model.detokenize(copy, showsSpecials: showsSpecials)
}
