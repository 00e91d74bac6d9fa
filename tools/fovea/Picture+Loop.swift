// SPDX-License-Identifier: Apache-2.0

extension [Picture] {
  /// Works on one picture after another. What is wrong with a single picture is printed, and the others are still tried.
  /// - Parameters:
  ///   - activity: what Ctrl-C ends, for the message.
  ///   - work: gets the index and the picture.
  /// - Returns: the pictures that failed, in their order.
  func workThrough(
    _ activity: String, _ progress: ProgressLine, _ work: (Int, Picture) throws -> Void
  ) throws -> [(index: Int, error: LibraryError)] {
    var failed: [(index: Int, error: LibraryError)] = []
    for (index, picture) in enumerated() {
      try Interruption.check(activity)
      do {
        try work(index, picture)
      } catch let error as LibraryError where error.concernsOnePicture {
        progress.clear()
        try Interruption.check(activity)
        let text = error.description.hasPrefix(picture.path) ? error.description : "\(picture.path): \(error.description)"
        writeToStandardError("fovea: \(visible(text))\n")
        failed.append((index, error))
      }
    }
    return failed
  }
}
