// SPDX-License-Identifier: Apache-2.0
import Runtime
import Schema
import WeightFile

/// A vision system that is built from one settings structure.
package protocol DescribedSystem: VisionSystem, SendableMetatype {
  associatedtype Description: VisionSettings

  /// - Parameter w: the file's root.
  init(_ w: Weights, _ s: Description) throws(WeightFileError)
}

/// A kind of system that a weight file can hold, named by `GeneralSettings.system`.
package struct SystemKind: Sendable {
  package let name: StaticString
  /// The metadata keys of its vision system.
  package let keys: @Sendable () -> [Key]
  /// Builds the vision system from the file's root scope.
  package let build: @Sendable (Weights, Metadata, DecoderSizes) throws(WeightFileError) -> VisionSystem

  /// Every system that this version knows.
  package static let all: [SystemKind] = [
    SystemKind("hires_llava", HiResLLaVA.self),
    SystemKind("llava", LLaVA.self),
    SystemKind("llava_next", LLaVANeXT.self),
    SystemKind("monkey", Monkey.self),
    SystemKind("text_monkey", TextMonkey.self),
    SystemKind("vary", Vary.self),
    SystemKind("got", GOTOCR2.self),
    SystemKind("deepseek_ocr", DeepSeekOCR.self),
    SystemKind("deepseek_ocr2", DeepSeekOCR2.self),
    SystemKind("idefics3", Idefics3.self),
    SystemKind("text", TextOnly.self),
    SystemKind("ferret", Ferret.self) { FerretSettings(.none) },
    SystemKind("ferret_ui", Ferret.self) { FerretSettings(.shared) },
    SystemKind("ferret_v2", Ferret.self) { FerretSettings(.own) },
  ]

  /// - Parameter blank: initial settings, which hold what only the system's name determines.
  private init<System: DescribedSystem>(
    _ name: StaticString, _ system: System.Type, blank: @escaping @Sendable () -> System.Description = { System.Description() }
  ) {
    self.name = name
    keys = { blank().keys() }
    build = { (w, m, decoder) throws(WeightFileError) in try System(w, Self.read(blank(), m, decoder)) }
  }

  private static func read<Description: VisionSettings>(
    _ blank: Description, _ m: Metadata, _ decoder: DecoderSizes
  ) throws(WeightFileError) -> Description {
    var settings = blank
    settings.decoder = decoder
    try settings.read(m)
    return settings
  }

  /// The kind that a file names.
  package static func named(_ name: String, in m: Metadata) throws(WeightFileError) -> SystemKind {
    for kind in all where name.utf8.elementsEqual(kind.name.description.utf8) { return kind }
    var known = ""
    for kind in all { known += (known.isEmpty ? "" : ", ") + kind.name.description }
    throw GeneralSettings.unknownSystem(name, known: known, file: m.file)
  }
}
