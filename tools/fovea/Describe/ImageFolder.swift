// SPDX-License-Identifier: Apache-2.0
import CFovea
import Glibc

/// The images that a command is given: files, and all PNG and JPEG files in and below folders, in order of their names.
struct ImageFolder {
  /// Path, and the name it goes by: the path below the folder, or the file's own name.
  private(set) var files: [(path: String, name: String)] = []

  init(_ inputs: [String]) throws {
    for input in inputs {
      var status = stat()
      guard stat(input, &status) == 0 else {
        throw LibraryError(status: fovea_status(FOVEA_ERROR_IO), description: "\(input): there is no such file or folder.")
      }
      if status.st_mode & mode_t(S_IFMT) == mode_t(S_IFDIR) {
        try collect(input, below: "", depth: 0)
      } else {
        files.append((input, input.split(separator: "/").last.map(String.init) ?? input))
      }
    }
    var names: Set<String> = []
    for file in files where !names.insert(file.name).inserted {
      throw LibraryError(
        status: fovea_status(FOVEA_ERROR_ARGUMENT), description: "two images are called \(file.name): records could not be told apart.")
    }
  }

  private mutating func collect(_ folder: String, below prefix: String, depth: Int) throws {
    guard depth < 32, let directory = opendir(folder) else {
      throw LibraryError(status: fovea_status(FOVEA_ERROR_IO), description: "\(folder): cannot be read.")
    }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if !name.hasPrefix(".") { names.append(name) }
    }
    closedir(directory)
    for name in names.sorted() {
      let path = folder + "/" + name
      var status = stat()
      guard stat(path, &status) == 0 else { continue }
      if status.st_mode & mode_t(S_IFMT) == mode_t(S_IFDIR) {
        try collect(path, below: prefix + name + "/", depth: depth + 1)
      } else if [".png", ".jpg", ".jpeg"].contains(where: { name.lowercased().hasSuffix($0) }) {
        files.append((path, prefix + name))
      }
    }
  }
}
