// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Glibc

/// Becomes the HTTP server, a program of its own (tools/serve).
struct ServeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve", abstract: "Answer over HTTP in OpenAI's format: becomes fovea-serve.",
    discussion: "fovea-serve is a program of its own, which tools/install --serve builds and installs; fovea serve --help lists its options.")

  @Argument(parsing: .captureForPassthrough, help: "Passed to fovea-serve as they are.")
  var options: [String] = []

  func run() throws {
    var programs = ["fovea-serve"]  // found in PATH
    var own = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
    if readlink("/proc/self/exe", &own, own.count - 1) > 0, let slash = own.lastIndex(of: CChar(UInt8(ascii: "/"))) {
      programs.insert(String(decoding: own[...slash].map { UInt8(bitPattern: $0) }, as: UTF8.self) + "fovea-serve", at: 0)
    }
    var vector = (["fovea-serve"] + options).map { strdup((Arguments.bytes(of: $0) + [0]).map { CChar(bitPattern: $0) }) } + [nil]
    defer { for text in vector { free(text) } }
    for program in programs { execvp(program, &vector) }
    let reason = errno
    throw CommandFailure(
      .unsupported,
      reason == ENOENT
        ? "serve: fovea-serve is neither beside this program nor in PATH: tools/install --serve builds and installs it."
        : "serve: fovea-serve cannot be run: \(String(cString: strerror(reason))).")
  }
}
