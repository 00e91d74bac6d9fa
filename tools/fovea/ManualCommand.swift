// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CFovea
import CheckpointFiles
import Conversion

/// Prints the manual page, generated from the commands' help: `tools/install` puts it where `man fovea` searches.
struct ManualCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "manual", abstract: "Print the manual page (mdoc).", shouldDisplay: false)

  func run() throws {
    let help = try JSONValue.parse(FoveaCommand._dumpHelp(), file: "help")
    let root = help["command"] ?? .null
    var page = """
      .Dd November 2026
      .Dt FOVEA 1
      .Os fovea \(escaped(String(cString: fovea_version())))
      .Sh NAME
      .Nm fovea
      .Nd \(text(root["abstract"]))
      .Sh SYNOPSIS

      """
    let commands = (root["subcommands"]?.array ?? []).filter { $0["shouldDisplay"]?.bool != false && text($0["commandName"]) != "help" }
    for command in commands { page += ".Nm fovea\n.Cm \(text(command["commandName"]))\n.Op Ar options\n.Pp\n" }
    page += ".Sh DESCRIPTION\n\(text(root["discussion"]))\n"
    for command in commands {
      page += ".Ss fovea \(text(command["commandName"]))\n\(text(command["abstract"]))\n"
      if let discussion = command["discussion"]?.string { page += ".Pp\n\(escaped(discussion))\n" }
      page += ".Bl -tag -width Ds\n"
      for argument in command["arguments"]?.array ?? [] where argument["shouldDisplay"]?.bool != false { page += item(argument) }
      page += ".El\n"
    }
    page += ".Sh EXIT STATUS\n.Bl -tag -width Ds\n.It 0\ndone\n"
    for status in ExitStatus.allCases { page += ".It \(status.rawValue)\n\(status.meaning)\n" }
    page += """
      .El
      .Sh ENVIRONMENT
      .Bl -tag -width Ds
      .It Ev FOVEA_MODEL
      The weight file to use where none is named.
      .It Ev FOVEA_ISA
      The instruction set to use: scalar, sse41, avx2, avxvnni, avx512, neon, dotprod or i8mm.
      .El

      """
    try writeToStandardOutput(page)
  }

  private func item(_ argument: JSONValue) -> String {
    let names = (argument["names"]?.array ?? []).map { name in
      (text(name["kind"]) == "long" ? "\\-\\-" : "\\-") + text(name["name"])
    }
    let isOption = text(argument["kind"]) == "option"
    let value = "<" + text(argument["valueName"]) + ">"
    let label = names.isEmpty ? value : names.joined(separator: ", ") + (isOption ? " " + value : "")
    var about = text(argument["abstract"])
    if let usual = argument["defaultValue"]?.string, !usual.isEmpty { about += " Without it: \(escaped(usual))." }
    return ".It \(label)\n\(about)\n"
  }

  private func text(_ value: JSONValue?) -> String { escaped(value?.string ?? "") }

  /// Text escaped for troff.
  private func escaped(_ text: String) -> String {
    var out = ""
    for character in text {
      switch character {
      case "\\": out += "\\e"
      case "\n": out += "\n"
      // At the beginning of a line these would start a request.
      case ".", "'": out += (out.isEmpty || out.hasSuffix("\n") ? "\\&" : "") + String(character)
      default: out.append(character)
      }
    }
    return out
  }
}
