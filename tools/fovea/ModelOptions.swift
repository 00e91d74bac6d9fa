// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CFovea
import Shims

/// The options that choose the model and its resources.
struct ModelOptions: ParsableArguments {
  @Option(name: [.short, .customLong("model")], help: "Weight file (.fovea); without it the built-in model is used.")
  var model: FilePath?

  @Option(parsing: .unconditional, help: "Threads that share the work; without it what cores, affinity and cgroup limits allow.")
  var threads: Int32?

  @Option(help: "Bytes the library may hold resident, with K, M or G for powers of 1024.")
  var memoryBudget: ByteCount?

  @Option(parsing: .unconditional, help: "Tokens a session can hold; without it the model's own length.")
  var contextLength: Int32?

  @Option(help: "What a session keeps keys and values as: f32, f16, or int8 for half the memory of f16.")
  var cacheType: CacheTypeName?

  @Flag(help: "Read the weight file into memory instead of mapping it: it may then be changed or cut while it is in use.")
  var noMapping = false

  @Flag(help: "Check every checksum of the weight file first.")
  var verify = false

  func validate() throws {
    if let threads, threads < 1 { throw ValidationError("--threads must be at least 1.") }
    if let contextLength, contextLength < 1 { throw ValidationError("--context-length must be at least 1.") }
  }

  /// The weight file to use; nil: the library's default.
  func path() -> FilePath? { model ?? (Model.builtinPath() == nil ? companionFile(modelInCheckout) : nil) }

  /// The same, or the built-in model; nil: there is none.
  var file: FilePath? { path() ?? Model.builtinPath() }

  /// The library's load options.
  var loadOptions: fovea_load_options {
    var options = fovea_load_options()
    options.struct_size = MemoryLayout<fovea_load_options>.size
    options.threads = threads ?? 0
    options.context_length = contextLength ?? 0
    options.memory_budget = memoryBudget?.bytes ?? 0
    options.cache_type = cacheType?.code ?? 0
    options.verify = verify ? 1 : 0
    options.no_mapping = noMapping ? 1 : 0
    return options
  }

  func load(_ progress: ProgressLine) throws -> Model {
    Interruption.install()
    defer { progress.clear() }
    return try Model(path: path(), options: loadOptions) { progress.show("loading", $0, $1) }
  }
}

extension ModelOptions {
  /// The memory plan of the model with these options.
  /// - Parameter change: sets the fields that only the plan uses.
  func plan(_ change: (inout fovea_load_options) -> Void = { _ in }) throws(LibraryError) -> fovea_memory_plan {
    var plan = fovea_memory_plan()
    plan.struct_size = MemoryLayout<fovea_memory_plan>.size
    var options = loadOptions
    change(&options)
    let path = path()
    try LibraryError.check(path.map { fovea_plan($0.cString, &options, &plan) } ?? fovea_plan(nil, &options, &plan))
    return plan
  }
}

enum CacheTypeName: String, ExpressibleByArgument, CaseIterable {
  case f32, f16, int8

  var code: fovea_cache_type {
    switch self {
    case .f32: fovea_cache_type(FOVEA_CACHE_F32)
    case .f16: fovea_cache_type(FOVEA_CACHE_F16)
    case .int8: fovea_cache_type(FOVEA_CACHE_INT8)
    }
  }
}

/// Pixels of an image: `4000x3000`.
struct PixelSize: ExpressibleByArgument {
  let width, height: Int32

  init?(argument: String) {
    let sides = argument.split(separator: "x", omittingEmptySubsequences: false).map { Int32($0) }
    guard sides.count == 2, let width = sides[0], let height = sides[1], width > 0, height > 0 else { return nil }
    (self.width, self.height) = (width, height)
  }
}

/// A number of bytes: `1500000`, `512M`, `1.5G`.
struct ByteCount: ExpressibleByArgument {
  let bytes: UInt64

  init?(argument: String) {
    let units: [Character: Double] = ["K": 0x1p10, "M": 0x1p20, "G": 0x1p30, "T": 0x1p40]
    let unit = argument.last.flatMap { units[Character($0.uppercased())] }
    guard let number = Double(unit == nil ? argument[...] : argument.dropLast()),
      let bytes = UInt64(exactly: (number * (unit ?? 1)).rounded()), bytes > 0
    else { return nil }
    self.bytes = bytes
  }
}

/// The built-in model in a source checkout, for running this program from the build folder. The library itself searches only where it is installed.
private let modelInCheckout = "tools/nano/models/reader/reader-int8.fovea"

/// A file that comes with this program, at the first of these places below a folder above it, the nearest first; nil: there is none.
func companionFile(_ places: String...) -> FilePath? {
  var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
  guard library_path(&buffer, buffer.count) else { return nil }
  var folder = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)[...]
  while let slash = folder.lastIndex(of: "/") {
    folder = folder[..<slash]
    for place in places where access(folder + "/" + place, R_OK) == 0 { return FilePath(argument: folder + "/" + place) }
  }
  return nil
}
