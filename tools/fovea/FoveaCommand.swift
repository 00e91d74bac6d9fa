// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CFovea

@main struct FoveaCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fovea",
    abstract: "Answers questions about images on a plain CPU.",
    discussion: """
      Without a model named, the built-in one is used. Exit status: 0 done, 64 wrong usage or argument, 65 damaged weight file or \
      image, 66 file not readable, 69 not supported, 70 internal fault, 71 out of memory, 75 out of time, 130 interrupted.
      """,
    version: String(cString: fovea_version()),
    subcommands: [ConvertCommand.self, CalibrateCommand.self, RunCommand.self, DescribeCommand.self, InspectCommand.self, BenchCommand.self]
  )
}
