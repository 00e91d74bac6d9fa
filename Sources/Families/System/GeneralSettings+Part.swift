// SPDX-License-Identifier: Apache-2.0
import Runtime
import Schema
import WeightFile

extension GeneralSettings {
  /// The half of the system whose tensors are in another file.
  package var missing: WeightPart? {
    switch part {
    case .decoder: .vision
    case .vision: .decoder
    case nil: nil
    }
  }

  /// What tells the contents of a file from another's, whatever it was packed as or split into.
  package func identity(of file: WeightFile) -> WeightFile.Identity { WeightFile.Identity(bytes: identity) ?? file.identity }
}
