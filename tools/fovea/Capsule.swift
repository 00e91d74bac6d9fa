// SPDX-License-Identifier: Apache-2.0
import CFovea

/// An image capsule: a file with the vectors of an image.
enum Capsule {
  static let ending = ".capsule"

  /// - Parameter first: the file's first bytes.
  static func isOne(_ first: some Sequence<UInt8>) -> Bool { first.starts(with: Array("FVIMAGE\0".utf8)) }
}

extension EncodedImage {
  convenience init(capsule: FilePath, _ model: Model) throws(LibraryError) {
    var handle: OpaquePointer?
    try LibraryError.check(fovea_image_embedding_load(model.handle, capsule.cString, &handle))
    try self.init(owning: handle)
  }

  func save(to path: FilePath, halves: Bool) throws(LibraryError) {
    try LibraryError.check(fovea_image_embedding_save(handle, path.cString, halves ? Int32(FOVEA_CAPSULE_F16) : 0))
  }
}
