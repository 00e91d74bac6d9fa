// SPDX-License-Identifier: Apache-2.0
import CFovea
import Families
import Shims

/// Path of the model used when none is named; see `fovea_builtin_model` for where it is searched.
func builtinModelPath() throws(FoveaError) -> [UInt8] {
  if let named = getenv("FOVEA_MODEL"), named[0] != 0 { return bytes(named) }
  let folder = try libraryFolder()
  for place in ["builtin.fovea", "../share/fovea/builtin.fovea", "../../share/fovea/builtin.fovea"] as [StaticString] {
    let path = folder + place.withUTF8Buffer { [UInt8]($0) }
    let isReadable = (path + [0]).withUnsafeBytes {
      guard let name = $0.assumingMemoryBound(to: CChar.self).baseAddress else { return false }
      return access(name, R_OK) == 0
    }
    if isReadable { return path }
  }
  throw .noBuiltinModel(folder: String(decoding: folder, as: UTF8.self))
}

/// The folder of this library (or of the program it is linked into), with a trailing slash.
private func libraryFolder() throws(FoveaError) -> [UInt8] {
  let capacity = Int(PATH_MAX)
  let path = withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity) { buffer -> [UInt8] in
    guard let base = buffer.baseAddress, library_path(base, capacity) else { return [] }
    return bytes(base)
  }
  guard let slash = path.lastIndex(of: UInt8(ascii: "/")) else {
    throw .noBuiltinModel(folder: nil)
  }
  return Array(path[...slash])
}

private func bytes(_ text: UnsafePointer<CChar>) -> [UInt8] {
  [UInt8](UnsafeRawBufferPointer(start: text, count: strlen(text)))
}

@c @implementation
public func fovea_builtin_model(
  _ buffer: UnsafeMutablePointer<CChar>?, _ capacity: Int, _ length: UnsafeMutablePointer<Int>?
) -> fovea_status {
  length?.pointee = 0
  return status { () throws(FoveaError) in
    let length = try required(length, "length")
    let path = try builtinModelPath()
    length.pointee = path.count
    try deliver(text: path, into: buffer, capacity: capacity, "buffer")
  }
}
