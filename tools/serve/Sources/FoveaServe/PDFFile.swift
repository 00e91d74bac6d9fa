// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A PDF file's pages as PNG pictures, by Poppler's `pdfinfo` and `pdftoppm`. Each runs in a separate process with limits of memory, CPU
/// time and output; no shell sees a client's text. Calls block: not for event loops.
struct PDFFile {
  static let memoryBytes = 1 << 30

  private let input: FileHandle
  let pages: Int
  private let seconds: Int

  /// - Parameter seconds: limit of each run.
  init(_ bytes: [UInt8], seconds: Int) throws(APIError) {
    self.seconds = max(seconds, 1)
    // An unlinked temporary file, readable by nobody else.
    var template = Array((NSTemporaryDirectory() + "fovea-serve-XXXXXX").utf8CString)
    let file = mkstemp(&template)
    guard file >= 0 else { throw APIError(.serviceUnavailable, "no_temporary_file", "There is no room for a temporary file.", retryAfter: 10) }
    unlink(template)
    input = FileHandle(fileDescriptor: file, closeOnDealloc: true)
    do { try input.write(contentsOf: bytes) } catch {
      throw APIError(.serviceUnavailable, "no_temporary_file", "There is no room for a temporary file.", retryAfter: 10)
    }
    let text = String(decoding: try Self.run(["pdfinfo", "-"], input, most: 1 << 16, seconds: self.seconds), as: UTF8.self)
    // Titles come before, with their line breaks.
    let line = text.split(separator: "\n").last { $0.hasPrefix("Pages:") }
    guard let count = line.flatMap({ Int($0.dropFirst(6).filter { $0 != " " }) }), count > 0 else { throw Self.damaged }
    pages = count
  }

  private static let damaged = APIError.invalid("The PDF file cannot be read.", "file", code: "invalid_pdf")

  /// The bytes of a PNG file.
  /// - Parameter number: from 1 on.
  func page(_ number: Int, dotsPerInch: Int, limits: Limits) throws(APIError) -> [UInt8] {
    // Bounds the longer side, so that any page size stays within the limit of pixels.
    let side = Int(Double(limits.pixels).squareRoot())
    let size = try pageSize(number)
    let longer = max(size.width, size.height) * Double(dotsPerInch) / 72
    let scale = longer > Double(side) ? ["-scale-to", "\(side)"] : ["-r", "\(dotsPerInch)"]
    return try Self.run(
      ["pdftoppm", "-png", "-cropbox"] + scale + ["-f", "\(number)", "-l", "\(number)", "-singlefile", "-"], input, most: 256 << 20, seconds: seconds)
  }

  /// Page size in points.
  private func pageSize(_ number: Int) throws(APIError) -> (width: Double, height: Double) {
    let text = String(
      decoding: try Self.run(["pdfinfo", "-f", "\(number)", "-l", "\(number)", "-"], input, most: 1 << 16, seconds: seconds), as: UTF8.self)
    for line in text.split(separator: "\n") where line.hasPrefix("Page") && line.contains(" size:") {
      let numbers = line.split(separator: " ").compactMap { Double($0) }.suffix(2)
      if let width = numbers.first, let height = numbers.last, width > 0, height > 0, width.isFinite, height.isFinite { return (width, height) }
    }
    throw Self.damaged
  }

  private static func run(_ command: [String], _ input: FileHandle, most: Int, seconds: Int) throws(APIError) -> [UInt8] {
    guard let program = find(command[0]) else {
      throw APIError(.notImplemented, "pdf_not_supported", "PDF files need \(command[0]) of poppler-utils, which the server does not have.")
    }
    lseek(input.fileDescriptor, 0, SEEK_SET)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    // The command is passed as arguments, not as part of the shell's script.
    let limit = "ulimit -v \(memoryBytes / 1024) -t \(seconds) -c 0; exec \"$@\""
    process.arguments = ["-c", limit, "sh", program] + command.dropFirst()
    process.environment = ["PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"]
    let output = Pipe()
    (process.standardInput, process.standardOutput, process.standardError) = (input, output, FileHandle.nullDevice)
    do { try process.run() } catch {
      throw APIError(.serviceUnavailable, "no_process", "\(command[0]) did not start.", retryAfter: 5)
    }
    try? output.fileHandleForWriting.close()
    let clock = DispatchSource.makeTimerSource(queue: .global())
    clock.schedule(deadline: .now() + .seconds(seconds))
    clock.setEventHandler { kill(process.processIdentifier, SIGKILL) }
    clock.resume()
    var bytes: [UInt8] = []
    while let piece = try? output.fileHandleForReading.read(upToCount: 1 << 16), !piece.isEmpty {
      bytes += piece
      if bytes.count > most {
        kill(process.processIdentifier, SIGKILL)
        break
      }
    }
    process.waitUntilExit()
    clock.cancel()
    guard process.terminationReason == .exit, process.terminationStatus == 0, bytes.count <= most else { throw damaged }
    return bytes
  }

  private static func find(_ program: String) -> String? {
    (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":").map { "\($0)/\(program)" }
      .first { FileManager.default.isExecutableFile(atPath: $0) }
  }
}
