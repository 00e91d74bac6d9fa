// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CFovea
import Foundation
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import ServiceLifecycle

@main
struct FoveaServe: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fovea-serve",
    abstract: "Serves vision-language models in OpenAI's wire format, with a page to try them.",
    discussion: "docs/server.md has the guide. Ends with status 0 after SIGTERM or SIGINT.",
    version: String(cString: fovea_version()))

  @Option(help: "A model, NAME=PATH or PATH; may be given again. The first is the one that is asked without a name. Default: the built-in model.")
  var model: [String] = []
  @Option(help: "Address to listen at. Others than this machine's reach it only where this says so.")
  var host = "127.0.0.1"
  @Option(help: "Port; 0: any free one, which the first line of the output names.")
  var port = 8080
  @Option(help: "Memory for all of it in MiB, the program included. Default: three quarters of what the machine or the control group has.")
  var memory: Int?
  @Option(help: "Memory for bodies of requests in MiB, part of --memory. Default: an eighth of it, 256 at most.")
  var bodyMemory: Int?
  @Option(help: "Answers that are made at one time, of each model.")
  var sessions = 2
  @Option(help: "Threads that share the work of a model; 0: what cores and control group allow.")
  var threads = 0
  @Option(help: "Tokens a conversation may have; 0: the model's own length.")
  var contextLength = 0
  @Option(help: "Most tokens of an answer.")
  var maxTokens = 1_024
  @Option(help: "Largest body in MiB.")
  var maxBody = 32
  @Option(help: "Most pixels of a picture, in millions.")
  var maxMegapixels = 64
  @Option(help: "Most images of a request.")
  var maxImages = 16
  @Option(help: "Most pages of a PDF file.")
  var maxPages = 32
  @Option(help: "Most requests that wait for a model.")
  var queue = 64
  @Option(help: "Most connections.")
  var connections = 512
  @Option(help: "Seconds a request may take, waiting included.")
  var timeLimit = 300
  @Option(help: "Seconds a body may take to arrive.")
  var bodyTime = 60
  @Option(help: "Seconds that running requests have when the server stops.")
  var grace = 30
  @Option(
    help: "A key that clients must send; may be given again. Better, since ps shows it not: --api-key-file, or FOVEA_API_KEY in the environment.")
  var apiKey: [String] = []
  @Option(help: "A file with a key on each line.")
  var apiKeyFile: String?
  @Option(help: ArgumentHelp("Take the page's files from this folder.", visibility: .hidden))
  var page: String?

  func validate() throws {
    let counts = [sessions, maxTokens, maxBody, maxMegapixels, maxImages, maxPages, connections, timeLimit, bodyTime]
    guard counts.allSatisfy({ (1...1_000_000).contains($0) }), sessions <= 256, (0...1_000_000).contains(queue), (0...65_535).contains(port),
      (0...1_024).contains(threads), (0...Int(Int32.max)).contains(contextLength), (0...86_400).contains(grace)
    else { throw ValidationError("A number is out of range.") }
  }

  func run() async throws {
    var logger = Logger(label: "fovea-serve")
    logger.logLevel = .error
    do {
      try await serve(logger)
    } catch let failure as StartFailure {
      FileHandle.standardError.write(Data("fovea-serve: \(failure)\n".utf8))
      throw ExitCode(1)
    }
  }

  private func serve(_ logger: Logger) async throws {
    let budget = try MemoryShares(memory: memory, bodies: bodyMemory)
    let settings = LoadSettings(sessions: sessions, threads: threads, contextLength: contextLength)
    let cache = try ModelCache(models: try models(), settings: settings, budget: UInt64(budget.models), longestQueue: queue)
    let limits = Limits(
      body: min(maxBody << 20, budget.bodies / 4), pixels: maxMegapixels * 1_000_000, images: maxImages, tokens: maxTokens, pages: maxPages,
      time: timeLimit, bodyTime: bodyTime, queue: queue)
    let access = Access(keys: try keys(), isLoopback: ["127.0.0.1", "::1", "localhost"].contains(host))
    let server = Server(
      models: cache, limits: limits, bodies: BodyMemory(capacity: budget.bodies), access: access, page: PageFiles(folder: page))
    let decoder = HTTP1Channel.Configuration.DecoderConfiguration(maxHeaderFieldSize: 16 << 10, maxHeaderListSize: 32 << 10, maxHeaderFieldCount: 100)
    let application = Application(
      responder: server,
      server: .http1(
        // The idle timeout is longer than the body's, so that a slow body gets its 408.
        configuration: .init(
          additionalChannelHandlers: [ClientWatch()], idleTimeout: .seconds(Int64(bodyTime) + 5), httpDecoderConfiguration: decoder)),
      configuration: .init(
        address: .hostname(host, port: port), backlog: 1_024,
        availableConnectionsDelegate: MaximumAvailableConnections(connections, logger: logger)),
      onServerRunning: { channel in
        let port = channel.localAddress?.port ?? 0
        print("fovea-serve listens at http://\(self.host.contains(":") ? "[\(self.host)]" : self.host):\(port)")
        fflush(nil)
      }, logger: logger)
    let group = ServiceGroup(configuration: .init(services: [application], logger: logger))
    let signals = StopSignals { [grace] in
      server.stop()
      Task {
        await group.triggerGracefulShutdown()
        try? await Task.sleep(for: .seconds(grace))
        cache.stopAll(.stopping)
        try? await Task.sleep(for: .seconds(3))
        // Connections of clients that do not read keep the group running.
        Foundation.exit(0)
      }
    }
    do { try await group.run() } catch let error as IOError { throw StartFailure("\(host):\(port): \(error)") }
    withExtendedLifetime(signals) {}
    Foundation.exit(0)
  }

  private func models() throws -> [(name: String, path: String)] {
    guard !model.isEmpty else {
      var length = 0
      guard fovea_builtin_model(nil, 0, &length) == fovea_status(FOVEA_OK) else { throw StartFailure("no --model, and there is no built-in one") }
      var buffer = [CChar](repeating: 0, count: length + 1)
      _ = fovea_builtin_model(&buffer, buffer.count, &length)
      return [("fovea", String(decoding: buffer.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self))]
    }
    let models = model.map { text -> (name: String, path: String) in
      if let equals = text.firstIndex(of: "="), !text[..<equals].contains("/") {
        return (String(text[..<equals]), String(text[text.index(after: equals)...]))
      }
      return (URL(fileURLWithPath: text).deletingPathExtension().lastPathComponent, text)
    }
    for model in models where !model.name.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "._:/@-".contains($0)) }) || model.name.isEmpty {
      throw StartFailure("a model's name has letters, digits and ._:/@- only: \(model.name)")
    }
    guard Set(models.map(\.name)).count == models.count else { throw StartFailure("two models have the same name") }
    return models
  }

  private func keys() throws -> [String] {
    var keys = apiKey
    if let key = ProcessInfo.processInfo.environment["FOVEA_API_KEY"], !key.isEmpty { keys.append(key) }
    if let apiKeyFile {
      guard let text = try? String(contentsOfFile: apiKeyFile, encoding: .utf8) else { throw StartFailure("\(apiKeyFile) cannot be read") }
      let lines = text.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
      guard !lines.isEmpty else { throw StartFailure("\(apiKeyFile) holds no key") }
      keys += lines
    }
    return keys
  }
}
