// SPDX-License-Identifier: Apache-2.0
import CFovea
import Families
import Generation
import Runtime

@c @implementation
public func fovea_session_create(
  _ model: OpaquePointer?, _ options: UnsafePointer<fovea_session_options>?, _ out: UnsafeMutablePointer<OpaquePointer?>?
) -> fovea_status {
  out?.pointee = nil
  return status { () throws(FoveaError) in
    let model: ModelHandle = try object(model, "model")
    let out = try required(out, "out")
    let session = try Session(model.model, contextLength: try sessionContextLength(options, model.model))
    out.pointee = try handle(owning: SessionHandle(model.model, session))
  }
}

/// nil: as loaded.
func sessionContextLength(_ options: UnsafePointer<fovea_session_options>?, _ model: Model) throws(FoveaError) -> Int? {
  var c = fovea_session_options()
  try read(options, into: &c, first: FirstSize.sessionOptions, "options")
  try requireZero(c.reserved)
  let contextLength = try count(c.context_length, "options.context_length")
  guard contextLength <= model.contextLength else {
    throw .argument("options.context_length", "is \(contextLength), the model was loaded for \(model.contextLength).")
  }
  return contextLength == 0 ? nil : contextLength
}

@c @implementation
public func fovea_session_free(_ session: OpaquePointer?) {
  // A call still running on another thread retains the session until it returns.
  fovea_session_cancel(session)
  release(session, as: SessionHandle.self)
}

@c @implementation
public func fovea_session_cancel(_ session: OpaquePointer?) {
  guard let session else { return }
  Unmanaged<SessionHandle>.fromOpaque(UnsafeRawPointer(session))._withUnsafeGuaranteedRef { $0.session.stop.cancel() }
}

@c @implementation
public func fovea_session_reset(_ session: OpaquePointer?) -> fovea_status {
  status { () throws(FoveaError) in
    let handle: SessionHandle = try object(session, "session")
    try handle.exclusively { () throws(FoveaError) in handle.session.clear() }
  }
}
