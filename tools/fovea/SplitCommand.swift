// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Generation
import Runtime
import Schema
import WeightFile

struct SplitCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "split", abstract: "Make a weight file with half of a system: what encodes images, or what answers.",
    discussion: """
      One machine encodes with the first half, another answers from its capsules with the second (fovea run --image NAME.capsule). Both halves and \
      the whole file take each other's capsules.
      """)

  @OptionGroup var copy: WeightFileCopy

  @Flag(help: "Leave out what encodes images.")
  var noVision = false

  @Flag(help: "Keep only what encodes images.")
  var visionOnly = false

  func validate() throws {
    if noVision == visionOnly { throw ValidationError("Give one of --no-vision and --vision-only.") }
  }

  func run() throws {
    try requireSeparate([copy.output], from: [copy.file])
    let part = noVision ? FilePart.decoder : .vision
    let file = try WeightFile(path: copy.file.cString)
    let isKept: [Bool]
    do { isKept = try Generation.Model.tensors(of: part, in: file) } catch {
      guard let failure = CommandFailure(error) else { throw error }
      throw CommandFailure(failure.status, "\(copy.file): \(failure.description)")
    }
    let names = Set(zip(file.records, isKept).compactMap { $1 ? $0.name : nil })
    try copy.write(.auto, part: part) { names.contains($0.name) }
  }
}
