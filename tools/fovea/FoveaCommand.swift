// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CFovea
import Shims

@main struct FoveaCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fovea",
    abstract: "Answers questions about images on a plain CPU.",
    discussion: """
      Without a model named, the built-in one is used. Systems: \(systems). Exit status: \(ExitStatus.list).
      """,
    version: String(cString: fovea_version()),
    subcommands: [
      ConvertCommand.self, PackCommand.self, UnpackCommand.self, SplitCommand.self, CalibrateCommand.self, RunCommand.self, ChatCommand.self,
      DescribeCommand.self, ReadCommand.self, EncodeCommand.self, ServeCommand.self, InspectCommand.self, BenchCommand.self, ManualCommand.self,
    ]
  )

  /// The systems that can be converted and run.
  static let systems =
    "LLaVA-1.5, LLaVA-NeXT, HiRes-LLaVA, Monkey-Chat, TextMonkey, Ferret, Ferret-v2, Ferret-UI, Vary-tiny, Vary-toy, GOT-OCR2, DeepSeek-OCR, DeepSeek-OCR 2, "
    + "Idefics3, SmolVLM, granite-docling, and decoders that read text only"

  static func main() { Shims.exit(run(Arguments.all)) }

  private static func run(_ arguments: [String]) -> Int32 {
    do {
      var command = try parseAsRoot(arguments)
      try command.run()
      return 0
    } catch {
      return report(error)
    }
  }

  /// Prints the error, or the help that was requested; returns the exit status.
  private static func report(_ error: any Error) -> Int32 {
    if let failure = CommandFailure(error) {
      writeToStandardError("fovea: \(visible(failure.description))\n")
      return failure.status.rawValue
    }
    let (text, code) = (fullMessage(for: error), exitCode(for: error).rawValue)
    guard !text.isEmpty else { return code }
    guard code == 0 else {
      writeToStandardError(visible(text) + "\n")
      return code
    }
    do { try writeToStandardOutput(text + "\n") } catch { return report(error) }
    return 0
  }
}
