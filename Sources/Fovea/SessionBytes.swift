// SPDX-License-Identifier: Apache-2.0
import CFovea
import Families
import Generation
import Shims
import WeightFile

@c @implementation
public func fovea_session_fork(_ session: OpaquePointer?, _ out: UnsafeMutablePointer<OpaquePointer?>?) -> fovea_status {
  out?.pointee = nil
  return status { () throws(FoveaError) in
    let source: SessionHandle = try object(session, "session")
    try source.exclusively { () throws(FoveaError) in
      let out = try required(out, "out")
      out.pointee = try handle(owning: SessionHandle(source.model, source.session.forked()))
    }
  }
}

@c @implementation
public func fovea_session_length(_ session: OpaquePointer?) -> Int {
  guard let handle: SessionHandle = try? object(session, "session") else { return 0 }
  return (try? handle.session.exclusively(.look) { () throws(FoveaError) in handle.session.length }) ?? 0
}

@c @implementation
public func fovea_session_rewind(_ session: OpaquePointer?, _ tokens: Int) -> fovea_status {
  status { () throws(FoveaError) in
    let handle: SessionHandle = try object(session, "session")
    try handle.exclusively { () throws(FoveaError) in
      let held = handle.session.length
      guard (0...held).contains(tokens) else { throw .argument("tokens", "is \(UInt(bitPattern: tokens)), the session holds \(held).") }
      handle.session.rewind(to: tokens)
    }
  }
}

@c @implementation
public func fovea_session_save(
  _ session: OpaquePointer?, _ buffer: UnsafeMutableRawPointer?, _ capacity: Int, _ size: UnsafeMutablePointer<Int>?
) -> fovea_status {
  size?.pointee = 0
  return status { () throws(FoveaError) in
    let handle: SessionHandle = try object(session, "session")
    try handle.exclusively { () throws(FoveaError) in
      let size = try required(size, "size")
      let needed = handle.session.savedBytes
      size.pointee = needed
      guard let buffer else { return }
      // A capacity above Int.max arrives as a negative number: unlimited.
      guard capacity < 0 || capacity >= needed else {
        throw .buffer("buffer", capacity: capacity, needed: needed, unit: " bytes")
      }
      var place = 0
      try handle.session.save { (bytes) throws(FoveaError) in
        if let base = bytes.baseAddress { memcpy(buffer + place, base, bytes.count) }
        place += bytes.count
      }
      try requireMemoryOfCall()
    }
  }
}

@c @implementation
public func fovea_session_save_file(_ session: OpaquePointer?, _ path: UnsafePointer<CChar>?) -> fovea_status {
  status { () throws(FoveaError) in
    let handle: SessionHandle = try object(session, "session")
    try handle.exclusively { () throws(FoveaError) in
      try save(handle.session, to: String(decoding: try text(try requiredPath(path, "path"), "path"), as: UTF8.self))
    }
  }
}

@c @implementation
public func fovea_session_load(
  _ model: OpaquePointer?, _ bytes: UnsafeRawPointer?, _ size: Int, _ options: UnsafePointer<fovea_session_options>?,
  _ out: UnsafeMutablePointer<OpaquePointer?>?
) -> fovea_status {
  out?.pointee = nil
  return status { () throws(FoveaError) in
    let model: ModelHandle = try object(model, "model")
    let out = try required(out, "out")
    let bytes = UnsafeRawBufferPointer(try buffer(try required(bytes, "bytes").assumingMemoryBound(to: UInt8.self), count: size, "size"))
    let contextLength = try sessionContextLength(options, model.model)
    out.pointee = try handle(owning: SessionHandle(model.model, try load(bytes, model.model, contextLength)))
  }
}

@c @implementation
public func fovea_session_load_file(
  _ model: OpaquePointer?, _ path: UnsafePointer<CChar>?, _ options: UnsafePointer<fovea_session_options>?,
  _ out: UnsafeMutablePointer<OpaquePointer?>?
) -> fovea_status {
  out?.pointee = nil
  return status { () throws(FoveaError) in
    let model: ModelHandle = try object(model, "model")
    let out = try required(out, "out")
    let path = try requiredPath(path, "path")
    let contextLength = try sessionContextLength(options, model.model)
    let file: InputFile
    do throws(WeightFileError) { file = try InputFile(path: path) } catch { throw FoveaError(error) }
    out.pointee = try handle(owning: SessionHandle(model.model, try load(file, model.model, contextLength)))
  }
}

@inline(never)
private func save(_ session: Session, to path: String) throws(FoveaError) {
  let file: OutputFile
  do throws(WeightFileError) { file = try OutputFile(path: path) } catch { throw FoveaError(error) }
  var place = 0
  try session.save { (bytes) throws(FoveaError) in
    guard let base = bytes.baseAddress else { return }
    do throws(WeightFileError) { try file.write(base, count: bytes.count, at: place) } catch { throw FoveaError(error) }
    place += bytes.count
  }
  try requireMemoryOfCall()
  do throws(WeightFileError) { try file.commit() } catch { throw FoveaError(error) }
}

@inline(never)
private func load(_ bytes: UnsafeRawBufferPointer, _ model: Model, _ contextLength: Int?) throws(FoveaError) -> Session {
  var place = 0
  let session = try Session.load(model, contextLength: contextLength) { (memory) throws(FoveaError) in
    guard memory.count <= bytes.count - place else { throw .system("session", "ends before its \(bytes.count) bytes say") }
    if let base = memory.baseAddress, let from = bytes.baseAddress { memcpy(base, from + place, memory.count) }
    place += memory.count
  }
  guard place == bytes.count else { throw .system("session", "has \(bytes.count) bytes, \(place) are its own") }
  return session
}

@inline(never)
private func load(_ file: InputFile, _ model: Model, _ contextLength: Int?) throws(FoveaError) -> Session {
  var place = 0
  let session = try Session.load(model, contextLength: contextLength) { (memory) throws(FoveaError) in
    guard let base = memory.baseAddress else { return }
    do throws(WeightFileError) { try file.read(at: place, count: memory.count, into: base) } catch { throw FoveaError(error) }
    place += memory.count
  }
  guard place == file.count else { throw .system("session", "has \(file.count) bytes, \(place) are its own") }
  return session
}
