// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Which file it is, whatever its names: two paths of one file, also through links, have equal identities.
struct FileIdentity: Hashable {
  private let device: dev_t
  private let inode: ino_t
  /// False for folders, devices and pipes.
  let isRegular: Bool

  init(_ status: stat) {
    (device, inode, isRegular) = (status.st_dev, status.st_ino, status.st_mode & mode_t(S_IFMT) == mode_t(S_IFREG))
  }

  /// Nil: there is no such file.
  init?(_ path: FilePath) {
    var status = stat()
    guard stat(path.cString, &status) == 0 else { return nil }
    self.init(status)
  }
}
