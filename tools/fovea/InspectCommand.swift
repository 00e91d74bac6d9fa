// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CFovea
import Families
import Fovea
import WeightFile

struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect", abstract: "Show what a weight file holds and what using it takes.")

  @OptionGroup var options: ModelOptions

  @Argument(help: "The model, as a plain argument.")
  var file: FilePath?

  @Flag(help: "Show only the memory that using it takes, with --context-length, --cache-type and --memory-budget as given.")
  var plan = false

  @Option(parsing: .unconditional, help: "Sessions to count, all answering at one time.")
  var sessions: Int32 = 1

  @Option(help: "The image to count, WIDTHxHEIGHT in pixels; without it whichever the model makes most of.")
  var imageSize: PixelSize?

  @Flag(help: "List every tensor.")
  var tensors = false

  @Flag(help: "Print one JSON object, tensors included.")
  var json = false

  func validate() throws {
    if options.model != nil, file != nil { throw ValidationError("The model was named twice.") }
    if plan, tensors { throw ValidationError("--plan and --tensors exclude each other.") }
    if sessions < 1 { throw ValidationError("--sessions must be at least 1.") }
  }

  func run() throws {
    var options = options
    options.model = options.model ?? file
    guard let path = options.path() ?? Model.builtinPath() else {
      var length = 0
      return try LibraryError.check(fovea_builtin_model(nil, 0, &length))
    }
    options.model = path
    let contents = try WeightFile(path: path.cString)
    if options.verify { try contents.verify() }
    if plan {
      let plan = try memoryPlan(options)
      if json { return try writeToStandardOutput(members(plan).text() + "\n") }
      return try writeToStandardOutput(visible("\(path)\n\(lines(plan))"))
    }
    let plan = try planIfKnown(options)
    try writeToStandardOutput(json ? report(path, contents, plan).text() + "\n" : visible(table(path, contents, plan)))
  }

  /// Nil for a valid file of an unknown system, which can still be inspected; invalid options still throw.
  private func planIfKnown(_ options: ModelOptions) throws -> fovea_memory_plan? {
    do throws(LibraryError) { return try memoryPlan(options) } catch {
      if error.status == FOVEA_ERROR_ARGUMENT { throw error }
      return nil
    }
  }

  private func memoryPlan(_ options: ModelOptions) throws(LibraryError) -> fovea_memory_plan {
    try options.plan { c in
      c.sessions = sessions
      if let imageSize { (c.image_width, c.image_height) = (imageSize.width, imageSize.height) }
    }
  }

  // MARK: text

  private func table(_ path: FilePath, _ file: WeightFile, _ plan: fovea_memory_plan?) -> String {
    var out = "\(path)\n"
    func line(_ name: String, _ value: String) { out += row(name, value) }
    let m = file.metadata
    for (name, key) in [
      ("system", "general.system"), ("name", "general.name"), ("type", "general.type"), ("licence", "general.licence"),
      ("source", "general.source"),
    ] {
      if let value = m.string(key) { line(name, value) }
    }
    line("format", "version \(file.formatVersion), \(amount(file.byteCount))\(options.verify ? ", every checksum is right" : "")")
    line("weights", "\(grouped(file.records.reduce(0) { $0 + $1.elementCount })) in \(file.records.count) tensors")
    for kind in kinds(file) {
      let ratio = kind.stored == kind.decoded ? "" : " (\(amount(kind.stored)) stored)"
      line("  \(kind.name)", "\(kind.count) \(kind.count == 1 ? "tensor" : "tensors"), \(amount(kind.decoded))\(ratio)")
    }
    if let plan { out += lines(plan) }
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

  private func row(_ name: String, _ value: String) -> String { "  \(padded(name, 16)) \(value)\n" }

  private func lines(_ plan: fovea_memory_plan) -> String {
    [
      ("memory", "\(amount(plan.total_bytes)) with \(sessions == 1 ? "one session" : "\(sessions) sessions")\(way(plan))"),
      ("  in place", "\(amount(plan.mapped_bytes)) of weights, from the file"),
      ("  weights", amount(plan.weight_bytes)), ("  session", amount(plan.session_bytes)),
      ("  scratch", amount(plan.scratch_bytes)), ("  tables", "\(amount(plan.table_bytes)), the library included"),
      ("  at least", "\(amount(plan.least_bytes)): the smallest --memory-budget"),
    ].map(row).joined()
  }

  private func way(_ plan: fovea_memory_plan) -> String {
    switch Int(plan.residency) {
    case FOVEA_RESIDENCY_ON_DEMAND: ", weights of the encoder and of the decoder in turn"
    case FOVEA_RESIDENCY_STREAMED: ", weights passing through"
    default: ""
    }
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

  private func report(_ path: FilePath, _ file: WeightFile, _ plan: fovea_memory_plan?) -> JSON {
    var members: [(String, JSON)] = [
      ("path", .string("\(path)")), ("format_version", .int(file.formatVersion)), ("file_bytes", .int(file.byteCount)),
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
    if let plan { members.append(("memory_plan", self.members(plan))) }
    return .object(members)
  }

  private func members(_ plan: fovea_memory_plan) -> JSON {
    [
      "mapped_bytes": .int(plan.mapped_bytes), "weight_bytes": .int(plan.weight_bytes), "session_bytes": .int(plan.session_bytes),
      "scratch_bytes": .int(plan.scratch_bytes), "table_bytes": .int(plan.table_bytes), "total_bytes": .int(plan.total_bytes),
      "least_bytes": .int(plan.least_bytes), "residency": .string(residencyName(plan.residency)),
    ]
  }

  /// The library's JSON of a value, with terminal control characters escaped.
  private func value(_ value: MetadataValue?) -> JSON {
    if case .string(let text) = value { return .string(text) }
    if case .strings(let texts) = value { return .array(texts.map { .string($0) }) }
    return .written(value.map { String(decoding: $0.json, as: UTF8.self) } ?? "null")
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

/// The mode's name in JSON.
func residencyName(_ residency: fovea_residency) -> String {
  switch Int(residency) {
  case FOVEA_RESIDENCY_ALL: "all"
  case FOVEA_RESIDENCY_ON_DEMAND: "on demand"
  case FOVEA_RESIDENCY_STREAMED: "streamed"
  default: "\(residency)"
  }
}
