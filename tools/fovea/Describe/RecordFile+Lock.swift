// SPDX-License-Identifier: Apache-2.0
import Glibc

extension RecordFile {
  /// Locks a file against other runs until it is closed; where the file system has no locks, it does nothing.
  /// - Returns: false if another run holds the file, or has just replaced it.
  static func lock(_ file: Int32, at path: FilePath) -> Bool {
    guard flock(file, LOCK_EX | LOCK_NB) == 0 || errno != EAGAIN else { return false }
    var status = stat()
    return fstat(file, &status) == 0 && FileIdentity(status) == FileIdentity(path)
  }
}
