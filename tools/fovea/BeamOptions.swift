// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// Beam search, for answers of which every word counts.
struct BeamOptions: ParsableArguments {
  @Option(
    name: .customLong("beams"), parsing: .unconditional,
    help: "Keep the N likeliest answers while they grow, at most 64, and give the best: slower, and often with fewer errors; it comes as a whole.")
  var count: Int32 = 1

  func validate() throws {
    if !(1...64).contains(count) { throw ValidationError("--beams must be 1 to 64.") }
  }
}
