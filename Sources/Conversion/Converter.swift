// SPDX-License-Identifier: Apache-2.0
import Runtime
import WeightFile

/// Writes a `.fovea` file from a checkpoint, a few blocks of rows at a time, on all cores.
package struct Converter {
  package struct Options: Sendable {
    package var type = ModelType.int8
    package var group = 64
    package var compression = WeightFileWriter.Compression.auto
    /// Shown by `inspect`; the folder's name when nil.
    package var name: String?
    package var licence: String?

    package init() {}
  }

  /// How a tensor came out.
  package struct TensorReport: Sendable {
    package let name: String
    package let shape: [Int]
    package let encoding: TensorEncoding
    package let byteCount: Int
    /// √(Σ(x − x̂)² / Σx²), 0 for exact ones.
    package let relativeError: Double
  }

  package let checkpoint: OpenCheckpoint
  package let system: SystemDescription
  private let options: Options
  private let metadata: [(key: String, value: MetadataValue)]

  /// Understands the checkpoint; after this only reading numbers and writing can fail.
  package init(_ checkpoint: OpenCheckpoint, options: Options = Options()) throws {
    guard options.group > 0, options.group % 32 == 0, options.group <= 256 else {
      throw ConversionError.badOption("--group \(options.group) should be a multiple of 32 up to 256")
    }
    self.checkpoint = checkpoint
    self.options = options
    system = try SystemDescription(checkpoint)
    let vocabSize = system.metadata.lazy.compactMap { if case ("language.vocabSize", .int(let size)) = $0 { size } else { nil } }.first
    let tokenizer = try TokenizerMetadata(checkpoint, system.tokenizer).entries(vocabSize: vocabSize ?? 0)
    let folder = checkpoint.folders.first?.name ?? ""
    let origin = try checkpoint.config.string("_name_or_path", default: folder).split(separator: "/").suffix(2).joined(
      separator: "/")
    metadata =
      [
        ("general.system", .string(system.system)), ("general.name", .string(options.name ?? folder)),
        ("general.source", .string(origin)),
        ("general.licence", .string(try options.licence ?? ModelCard.licence(checkpoint) ?? "unknown")),
        ("general.type", .string(options.type.rawValue)),
      ] + system.metadata + tokenizer
  }

  /// Bytes of floats read over the whole conversion, the unit of progress.
  package var totalElements: Int { system.tensors.reduce(0) { $0 + $1.shape.reduce(1, *) } }

  /// Writes the file; it appears under its name only when it is complete.
  /// - Parameter progress: called on the calling thread with the elements done so far and the tensor in work; an error it throws
  ///   ends the conversion.
  package func write(
    to path: String, progress: (_ done: Int, _ tensor: String) throws -> Void = { _, _ in }
  ) throws -> [TensorReport] {
    let writer = try WeightFileWriter(path: path, compression: options.compression)
    for (key, value) in metadata { writer.set(key, value) }
    let policy = PrecisionPolicy(type: options.type, group: options.group, layers: system.textLayers)
    let pool = ThreadPool()
    var reports: [TensorReport] = []
    var done = 0
    for tensor in system.tensors {
      try progress(done, tensor.name)
      let (encoding, group) = policy.encoding(tensor.role, inputs: tensor.shape.count == 2 ? tensor.shape[1] : 0)
      var error = BlockPacker.Error()
      if encoding.isPacked {
        guard tensor.shape.count == 2,
          let layout = PackedLayout(encoding: encoding, outputs: tensor.shape[0], inputs: tensor.shape[1], group: group)
        else {
          throw ConversionError.unsupported("tensor \(tensor.name) of shape \(tensor.shape) as \(encoding.name)")
        }
        try writer.beginTensor(name: tensor.name, shape: tensor.shape, encoding: encoding, group: group)
        let stream = try MatrixStream(tensor: tensor, source: system.source, layout: layout, pool: pool)
        error = try stream.run { bytes, elements in
          try writer.write(bytes)
          done += elements
          try progress(done, tensor.name)
        }
        try writer.endTensor()
      } else {
        let values = try table(tensor)
        try values.withUnsafeBytes { try writer.addTensor(name: tensor.name, shape: tensor.shape, encoding: .f32, bytes: $0) }
        done += values.count
      }
      for source in tensor.sources { system.source.release(source.info.name) }
      let byteCount = PackedLayout(
        encoding: encoding, outputs: tensor.shape[0], inputs: tensor.shape.dropFirst().reduce(1, *), group: group)?.byteCount
      reports.append(
        TensorReport(
          name: tensor.name, shape: tensor.shape, encoding: encoding, byteCount: byteCount ?? 4 * tensor.shape.reduce(1, *),
          relativeError: error.power > 0 ? (error.squared / error.power).squareRoot() : 0))
    }
    try progress(done, "")
    try writer.finish()
    return reports
  }

  /// A plain tensor, whole.
  private func table(_ tensor: PlannedTensor) throws -> [Float] {
    var values: [Float] = []
    for source in tensor.sources { values += try system.source.read(source) }
    if let bad = values.firstIndex(where: { !$0.isFinite }) {
      throw ConversionError.notRepresentable(tensor: tensor.name, row: bad, detail: "not a finite number")
    }
    guard tensor.order == .depthwise else { return values }
    let channels = tensor.shape[1]
    return (0..<9 * channels).map { values[$0 % channels * 9 + $0 / channels] }
  }
}
