// SPDX-License-Identifier: Apache-2.0
import CFovea
import Families
import Generation
import WeightFile

@c @implementation
public func fovea_model_metadata_count(_ model: OpaquePointer?) -> Int {
  guard let handle: ModelHandle = try? object(model, "model") else { return 0 }
  return handle.keys.count
}

@c @implementation
public func fovea_model_metadata_key(_ model: OpaquePointer?, _ index: Int) -> UnsafePointer<CChar>? {
  guard let handle: ModelHandle = try? object(model, "model"), handle.keys.indices.contains(index) else { return nil }
  return handle.keys[index].pointer
}

@c @implementation
public func fovea_model_metadata_json(
  _ model: OpaquePointer?, _ key: UnsafePointer<CChar>?, _ buffer: UnsafeMutablePointer<CChar>?, _ capacity: Int,
  _ length: UnsafeMutablePointer<Int>?
) -> fovea_status {
  length?.pointee = 0
  return status { () throws(FoveaError) in
    let handle: ModelHandle = try object(model, "model")
    let length = try required(length, "length")
    let key = String(decoding: try text(key, "key"), as: UTF8.self)
    guard let value = handle.model.metadata.value(key) else {
      throw .argument("key", "\(handle.model.file.name) has no metadata named \(key).")
    }
    let json = value.json
    length.pointee = json.count
    try deliver(text: json, into: buffer, capacity: capacity, "buffer")
  }
}
