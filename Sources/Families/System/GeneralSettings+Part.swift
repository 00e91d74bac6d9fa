// SPDX-License-Identifier: Apache-2.0
import Runtime
import Schema
import WeightFile

extension GeneralSettings {
  /// The part of the system whose tensors are in another file; nil: none.
  package var missing: WeightPart? {
    switch part {
    case .decoder: .vision
    case .vision: .decoder
    case nil: nil
    }
  }

  /// Identity of the file's contents, the same for all files packed or split from it.
  package func identity(of file: WeightFile) -> WeightFile.Identity { WeightFile.Identity(bytes: identity) ?? file.identity }
}
