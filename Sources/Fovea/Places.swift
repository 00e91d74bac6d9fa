// SPDX-License-Identifier: Apache-2.0
import CFovea
import Families
import Generation
import Regions
import Shims

@c @implementation
public func fovea_session_place_count(_ session: OpaquePointer?) -> Int {
  guard let handle: SessionHandle = try? object(session, "session") else { return 0 }
  return (try? handle.session.exclusively(.look) { () throws(FoveaError) in handle.places.count }) ?? 0
}

@c @implementation
public func fovea_session_get_place(
  _ session: OpaquePointer?, _ index: Int, _ place: UnsafeMutablePointer<fovea_place>?
) -> fovea_status {
  status { () throws(FoveaError) in
    let handle: SessionHandle = try object(session, "session")
    let (out, (place, phrase)) = try handle.exclusively(.look) { () throws(FoveaError) in
      let out = try required(place, "place")
      guard handle.places.indices.contains(index) else {
        throw .argument("index", "is \(index), the answer names \(handle.places.count) places.")
      }
      return (out, handle.places[index])
    }
    var c = fovea_place()
    (c.x1, c.y1, c.x2, c.y2) = (place.x1, place.y1, place.x2, place.y2)
    c.is_point = place.isPoint ? 1 : 0
    c.phrase = phrase.pointer
    c.first_token = int32(place.tokens.lowerBound)
    c.tokens = int32(place.tokens.count)
    c.log_probability = place.logProbability
    try write(c, to: out, first: FirstSize.place, "place")
  }
}

@c @implementation
public func fovea_session_log_probabilities(
  _ session: OpaquePointer?, _ values: UnsafeMutablePointer<Float>?, _ capacity: Int, _ count: UnsafeMutablePointer<Int>?
) -> fovea_status {
  count?.pointee = 0
  return status { () throws(FoveaError) in
    let handle: SessionHandle = try object(session, "session")
    try handle.exclusively(.look) { () throws(FoveaError) in
      let (count, found) = (try required(count, "count"), handle.logProbabilities)
      count.pointee = found.count
      guard let values else { return }
      guard capacity < 0 || capacity >= found.count else { throw .buffer("values", capacity: capacity, needed: found.count, unit: "") }
      for (i, value) in found.enumerated() { values[i] = value }
    }
  }
}
