// SPDX-License-Identifier: Apache-2.0
import Encoders
import Runtime
import Schema
import WeightFile

/// The systems that a weight file can hold, named by `general.system`.
package enum SystemKind: CaseIterable {
  case hiResLLaVA, llava, llavaNeXT, monkey, textMonkey, vary, got
  case ferret, ferretUI, ferretV2

  package var name: StaticString {
    switch self {
    case .hiResLLaVA: "hires_llava"
    case .llava: "llava"
    case .llavaNeXT: "llava_next"
    case .monkey: "monkey"
    case .textMonkey: "text_monkey"
    case .vary: "vary"
    case .got: "got"
    case .ferret: "ferret"
    case .ferretUI: "ferret_ui"
    case .ferretV2: "ferret_v2"
    }
  }

  package init(_ m: Metadata) throws(WeightFileError) {
    let name = try GeneralSettings(m).system
    for kind in Self.allCases where name.utf8.elementsEqual(kind.name.description.utf8) {
      self = kind
      return
    }
    var known = ""
    for kind in Self.allCases { known += (known.isEmpty ? "" : ", ") + kind.name.description }
    throw m.mismatch("general.system", found: name, expected: known)
  }

  /// The seeing half, its output rows of `outputSize`.
  package func vision(_ w: Weights, _ m: Metadata, outputSize: Int) throws(WeightFileError) -> VisionSystem {
    switch self {
    case .hiResLLaVA: try HiResLLaVA(w, m, outputSize: outputSize)
    case .llava: try LLaVA(w, m, outputSize: outputSize)
    case .llavaNeXT: try LLaVANeXT(w, m, outputSize: outputSize)
    case .monkey: try Monkey(w, m, outputSize: outputSize)
    case .textMonkey: try TextMonkey(w, m, outputSize: outputSize)
    case .vary: try Vary(w, m, outputSize: outputSize)
    case .got: try GOTOCR2(w, m, outputSize: outputSize)
    case .ferret, .ferretUI, .ferretV2: try Ferret(w, m, self, outputSize: outputSize)
    }
  }

  /// Bytes of scratch memory for encoding the largest image, about, from the metadata alone.
  package func scratchBytes(_ m: Metadata) throws(WeightFileError) -> Int {
    switch self {
    case .hiResLLaVA: try HiResLLaVA.scratchBytes(m)
    case .llava: try LLaVA.scratchBytes(m)
    case .llavaNeXT: try LLaVANeXT.scratchBytes(m)
    case .monkey: try Monkey.scratchBytes(m)
    case .textMonkey: try TextMonkey.scratchBytes(m)
    case .vary: try Vary.scratchBytes(m)
    case .got: try GOTOCR2.scratchBytes(m)
    case .ferret, .ferretUI, .ferretV2: try Ferret.scratchBytes(m, self)
    }
  }
}
