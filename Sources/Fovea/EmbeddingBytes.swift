// SPDX-License-Identifier: Apache-2.0
import CFovea
import Families
import Generation

@c @implementation
public func fovea_image_embedding_serialize(
  _ embedding: OpaquePointer?, _ buffer: UnsafeMutableRawPointer?, _ capacity: Int, _ size: UnsafeMutablePointer<Int>?
) -> fovea_status {
  size?.pointee = 0
  return status { () throws(FoveaError) in
    let image: ImageHandle = try object(embedding, "embedding")
    let size = try required(size, "size")
    let needed = image.embedding.byteCount
    size.pointee = needed
    guard let buffer else { return }
    // Capacities above Int.max come out negative and are as good as unlimited.
    guard capacity < 0 || capacity >= needed else {
      throw .buffer("buffer", capacity: capacity, needed: needed, unit: " bytes")
    }
    image.embedding.write(to: buffer, model: image.model.file.identity)
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
