// SPDX-License-Identifier: Apache-2.0
import CFovea
import Families
import Generation
import Shims
import WeightFile

@c @implementation
public func fovea_image_embedding_serialize(
  _ embedding: OpaquePointer?, _ buffer: UnsafeMutableRawPointer?, _ capacity: Int, _ size: UnsafeMutablePointer<Int>?
) -> fovea_status {
  size?.pointee = 0
  return status { () throws(FoveaError) in
    let image: ImageHandle = try object(embedding, "embedding")
    let size = try required(size, "size")
    let needed = image.embedding.byteCount()
    size.pointee = needed
    guard let buffer else { return }
    // A capacity above Int.max arrives as a negative number: unlimited.
    guard capacity < 0 || capacity >= needed else {
      throw .buffer("buffer", capacity: capacity, needed: needed, unit: " bytes")
    }
    image.embedding.write(to: buffer, model: image.model.identity)
  }
}

@c @implementation
public func fovea_image_embedding_deserialize(
  _ model: OpaquePointer?, _ bytes: UnsafeRawPointer?, _ size: Int, _ out: UnsafeMutablePointer<OpaquePointer?>?
) -> fovea_status {
  out?.pointee = nil
  return status { () throws(FoveaError) in
    let model: ModelHandle = try object(model, "model")
    let out = try required(out, "out")
    let bytes = try buffer(try required(bytes, "bytes").assumingMemoryBound(to: UInt8.self), count: size, "size")
    let embedding = try model.model.embedding(from: UnsafeRawBufferPointer(bytes))
    out.pointee = try handle(owning: ImageHandle(model.model, embedding))
  }
}

@c @implementation
public func fovea_image_embedding_save(_ embedding: OpaquePointer?, _ path: UnsafePointer<CChar>?, _ flags: Int32) -> fovea_status {
  status { () throws(FoveaError) in
    let image: ImageHandle = try object(embedding, "embedding")
    let path = String(decoding: try text(path, "path"), as: UTF8.self)
    guard !path.isEmpty else { throw .argument("path", "is empty.") }
    let halves = flags == Int32(FOVEA_CAPSULE_F16)
    guard flags == 0 || halves else { throw .argument("flags", "is \(flags), must be 0 or FOVEA_CAPSULE_F16.") }
    guard !halves || image.embedding.fitsHalves else {
      throw .unsupported("embedding", "numbers beyond 65504 cannot be written as f16.")
    }
    let size = image.embedding.byteCount(halves: halves)
    guard let memory = block_allocate(size) else { throw .outOfMemory("capsule", bytes: size) }
    defer { block_free(memory) }
    image.embedding.write(to: memory, model: image.model.identity, halves: halves)
    do throws(WeightFileError) {
      let file = try OutputFile(path: path)
      try file.write(memory, count: size, at: 0)
      try file.commit()
    } catch { throw .weights(error) }
  }
}

@c @implementation
public func fovea_image_embedding_load(
  _ model: OpaquePointer?, _ path: UnsafePointer<CChar>?, _ out: UnsafeMutablePointer<OpaquePointer?>?
) -> fovea_status {
  out?.pointee = nil
  return status { () throws(FoveaError) in
    let model: ModelHandle = try object(model, "model")
    let out = try required(out, "out")
    let embedding = try model.model.embedding(path: try requiredPath(path, "path"))
    out.pointee = try handle(owning: ImageHandle(model.model, embedding))
  }
}
