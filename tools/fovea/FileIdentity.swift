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

/// Refuses to write over what is read, or two things into one file, before any work. Devices and pipes may be both.
func requireSeparate(_ outputs: [FilePath?], from inputs: [FilePath?]...) throws(CommandFailure) {
  let read = Set(inputs.joined().compactMap { path in path.flatMap { FileIdentity($0) } })
  let written = outputs.compactMap { $0 }.filter { !$0.isStandardInput }
  for (i, output) in written.enumerated() {
    let identity = FileIdentity(output)
    if let twin = written[..<i].first(where: {
      $0.text == output.text || identity != nil && identity?.isRegular == true && FileIdentity($0) == identity
    }) {
      throw CommandFailure(.usage, "\(output): is the same file as \(twin), which is written too: name another output.")
    }
  }
  for output in written {
    guard let identity = FileIdentity(output), identity.isRegular, read.contains(identity) else { continue }
    throw CommandFailure(.usage, "\(output): is an input too and would be lost: name another output.")
  }
}
