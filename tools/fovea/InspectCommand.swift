// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CFovea
import Families
import Fovea
import WeightFile

struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect", abstract: "Show what a weight file holds and what using it takes.")

  @Option(name: [.short, .customLong("model")], help: "Weight file (.fovea); without it the built-in model is used.")
  var model: String?

  @Argument(help: "The same, as a plain argument.")
  var file: String?

  @Flag(help: "List every tensor.")
  var tensors = false

  @Flag(help: "Check every checksum first.")
  var verify = false

  @Flag(help: "Print one JSON object, tensors included.")
  var json = false

  func validate() throws {
    if model != nil, file != nil { throw ValidationError("The model was named twice.") }
  }

  func run() throws { try reportingFailures(show) }

  private func show() throws {
    var options = ModelOptions()
    options.model = model ?? file
    guard let path = options.path() ?? Model.builtinPath() else {
      var length = 0
      return try LibraryError.check(fovea_builtin_model(nil, 0, &length))
    }
    let contents: WeightFile
    do throws(WeightFileError) {
      contents = try WeightFile(path: path)
      if verify { try contents.verify() }
    } catch {
      let error = FoveaError(error)
      throw LibraryError(status: error.status.rawValue, description: error.message)
    }
    var plan = fovea_memory_plan()
    plan.struct_size = MemoryLayout<fovea_memory_plan>.size
    // A sound file of a system this version does not know can still be looked at.
    let isPlanned = fovea_plan(path, nil, &plan) == FOVEA_OK
    writeToStandardOutput(
      json ? report(path, contents, isPlanned ? plan : nil).text() + "\n" : table(path, contents, isPlanned ? plan : nil))
  }

  // MARK: text

  private func table(_ path: String, _ file: WeightFile, _ plan: fovea_memory_plan?) -> String {
    var out = "\(path)\n"
    func line(_ name: String, _ value: String) { out += "  \(padded(name, 16)) \(value)\n" }
    let m = file.metadata
    for (name, key) in [
      ("system", "general.system"), ("name", "general.name"), ("type", "general.type"), ("licence", "general.licence"),
      ("source", "general.source"),
    ] {
      if let value = m.string(key) { line(name, value) }
    }
    line("format", "version \(file.formatVersion), \(amount(file.byteCount))\(verify ? ", every checksum is right" : "")")
    line("weights", "\(grouped(file.records.reduce(0) { $0 + $1.elementCount })) in \(file.records.count) tensors")
    for kind in kinds(file) {
      let ratio = kind.stored == kind.decoded ? "" : " (\(amount(kind.stored)) stored)"
      line("  \(kind.name)", "\(kind.count) \(kind.count == 1 ? "tensor" : "tensors"), \(amount(kind.decoded))\(ratio)")
    }
    if let plan {
      line("memory", "\(amount(plan.total_bytes)) with one session")
      line("  in place", "\(amount(plan.mapped_bytes)) of weights, from the file")
      line("  weights", amount(plan.weight_bytes))
      line("  session", amount(plan.session_bytes))
      line("  scratch", "\(amount(plan.scratch_bytes)), estimated")
    }
    out += "metadata\n"
    for key in m.keys { out += "  \(padded(key, 32)) \(shortened(m.value(key)))\n" }
    if tensors {
      out += "tensors\n"
      for r in file.records {
        let shape = r.shape.map { "\($0)" }.joined(separator: " × ")
        out += "  \(padded(r.name, 40)) \(padded(encodingName(r), 10)) \(padded(shape, 16)) \(amount(r.storedByteCount))\n"
      }
    }
    return out
  }

  private func shortened(_ value: MetadataValue?) -> String {
    guard let value else { return "" }
    func list<Item>(_ items: [Item], _ show: (Item) -> String) -> String {
      let shown = items.prefix(8).map(show).joined(separator: ", ")
      return items.count > 8 ? "[\(shown), …] (\(items.count))" : "[\(shown)]"
    }
    switch value {
    case .bool(let x): return x ? "true" : "false"
    case .int(let x): return "\(x)"
    case .double(let x): return "\(x)"
    case .string(let x): return JSON.string(x.count > 200 ? String(x.prefix(200)) + "…" : x).text()
    case .bytes(let x): return "\(x.count) bytes"
    case .ints(let x): return list(x) { "\($0)" }
    case .doubles(let x): return list(x) { "\($0)" }
    case .strings(let x): return list(x) { JSON.string($0).text() }
    case .byteStrings(let x): return list(x) { JSON.string(String(decoding: $0, as: UTF8.self)).text() }
    }
  }

  // MARK: JSON

  private func report(_ path: String, _ file: WeightFile, _ plan: fovea_memory_plan?) -> JSON {
    var members: [(String, JSON)] = [
      ("path", .string(path)), ("format_version", .int(file.formatVersion)), ("file_bytes", .int(file.byteCount)),
      ("metadata", .object(file.metadata.keys.map { ($0, value(file.metadata.value($0))) })),
      (
        "tensors",
        .array(
          file.records.map { r in
            [
              "name": .string(r.name), "shape": .array(r.shape.map { .int($0) }), "encoding": .string(encodingName(r)),
              "compressed": .bool(r.isCompressed), "bytes": .int(r.byteCount), "stored_bytes": .int(r.storedByteCount),
            ]
          })
      ),
    ]
    if let plan {
      members.append(
        (
          "memory_plan",
          [
            "mapped_bytes": .int(plan.mapped_bytes), "weight_bytes": .int(plan.weight_bytes),
            "session_bytes": .int(plan.session_bytes), "scratch_bytes": .int(plan.scratch_bytes),
            "total_bytes": .int(plan.total_bytes),
          ]
        ))
    }
    return .object(members)
  }

  private func value(_ value: MetadataValue?) -> JSON {
    switch value {
    case .bool(let x): .bool(x)
    case .int(let x): .int(x)
    case .double(let x): .double(x)
    case .string(let x): .string(x)
    case .bytes(let x): .string(hexadecimal(x))
    case .ints(let x): .array(x.map { .int($0) })
    case .doubles(let x): .array(x.map { .double($0) })
    case .strings(let x): .array(x.map { .string($0) })
    case .byteStrings(let x): .array(x.map { .string(hexadecimal($0)) })
    case nil: .null
    }
  }

  private func hexadecimal(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  // MARK: tensors by encoding

  private func encodingName(_ r: TensorRecord) -> String { r.group == 0 ? "\(r.encoding)" : "\(r.encoding)/\(r.group)" }

  private func kinds(_ file: WeightFile) -> [(name: String, count: Int, decoded: Int, stored: Int)] {
    var kinds: [(name: String, count: Int, decoded: Int, stored: Int)] = []
    for r in file.records {
      let name = encodingName(r)
      let i = kinds.firstIndex { $0.name == name } ?? kinds.count
      if i == kinds.count { kinds.append((name, 0, 0, 0)) }
      kinds[i].count += 1
      kinds[i].decoded += r.byteCount
      kinds[i].stored += r.storedByteCount
    }
    return kinds
  }
}
