// SPDX-License-Identifier: Apache-2.0
import Families
import Schema
import WeightFile

extension ModelOptions {
  /// What records know the model by: the identity of its weight file, 32 digits. It covers the settings and, by their checksums, all weights,
  /// and is the same for files packed and unpacked from one another.
  func identity() throws -> String {
    guard let path = self.file else { throw CommandFailure(.noInput, "no model was named and none is installed.") }
    let file = try WeightFile(path: path.cString, maps: false)
    let identity = try GeneralSettings(file.metadata).identity(of: file)
    return Checksum.digits(identity.metadata) + Checksum.digits(identity.table)
  }
}
