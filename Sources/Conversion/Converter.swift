// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Quantization
import Runtime
import Schema
import WeightFile

/// Writes a `.fovea` file from a checkpoint, a few blocks of rows at a time, on all cores.
package struct Converter {
  package struct Options: Sendable {
    package var type = ModelType.int8
    /// Vision tower and projector; nil: as `type`, but never int4.
    package var visionType: ModelType?
    package var group = 32
    package var compression = WeightFileWriter.Compression.auto
    /// Target size of an int4 model; nil: as the precision policy decides.
    package var target: Target?
    /// Shown by `inspect`; the folder's name when nil.
    package var name: String?
    package var licence: String?
    /// Importance of each input, as measured by `fovea calibrate`.
    package var importance: ImportanceFile?
    /// Whether error feedback is used where the importance file has the moments for it.
    package var usesFeedback = true

    package init() {}
  }

  /// The result of packing one tensor.
  package struct TensorReport: Sendable {
    package let name: String
    package let shape: [Int]
    package let encoding: TensorEncoding
    /// Weights per scale; 0 for floats.
    package let group: Int
    package let byteCount: Int
    package let error: PackingError
    /// Whether the importance file has data for it.
    package let isWeighted: Bool

    package var bitsPerWeight: Double { 8 * Double(byteCount) / Double(max(shape.reduce(1, *), 1)) }
  }

  package let checkpoint: OpenCheckpoint
  package let system: SystemDescription
  let options: Options
  /// Every key of the file, checked.
  package let metadata: [(key: String, value: MetadataValue)]

  /// Reads the checkpoint's configs and plans its tensors; after this only reading numbers and writing can fail.
  package init(_ checkpoint: OpenCheckpoint, options: Options = Options()) throws {
    guard options.group > 0, options.group % 32 == 0, options.group <= 256 else {
      throw ConversionError.badOption("--group \(options.group) should be a multiple of 32 up to 256")
    }
    if options.target != nil, !options.type.isMixed { throw ConversionError.badOption("a target size needs --type int4, int5 or int6") }
    self.checkpoint = checkpoint
    self.options = options
    system = try SystemDescription(checkpoint)
    if checkpoint.chatTemplate != nil, !["llava", "llava_next", "idefics3", "text"].contains(system.system) {
      throw ConversionError.badOption("--chat-template is for LLaVA, Idefics3 and decoders by themselves; \(system.system) has one form of its own")
    }
    try options.importance?.check(against: system.tensors)
    let tokenizer = try TokenizerMetadata(checkpoint, system.tokenizer).settings(vocabSize: system.decoder.vocabSize)
    let folder = checkpoint.folders.first?.name ?? ""
    let origin = try checkpoint.config.string("_name_or_path", default: folder).split(separator: "/").suffix(2).joined(
      separator: "/")
    var general = GeneralSettings()
    (general.system, general.name, general.source) = (system.system, options.name ?? folder, origin)
    general.licence = try options.licence ?? ModelCard.licence(checkpoint) ?? "unknown"
    general.type = options.type.rawValue
    let parts: [any Settings] = [general, system.vision, system.decoder, system.prompt, tokenizer]
    do {
      metadata = try parts.flatMap { try $0.entries(file: checkpoint.config.file) }
    } catch let error as WeightFileError {
      throw ConversionError.malformed(file: checkpoint.config.file, detail: "no weight file can say this: \(error.description)")
    }
    try TokenizerMetadata.check(
      tokenizer, vocabSize: system.decoder.vocabSize, needsImageToken: !system.prompt.imageTokenSplitsText, checkpoint)
  }

  /// Weights of the whole conversion, the unit of progress.
  package var totalElements: Int {
    let policy = PrecisionPolicy(type: options.type, group: options.group)
    return system.tensors.reduce(0) { sum, tensor in
      let passes = options.target != nil && isOpen(tensor) ? 1 + policy.choices.count : 1
      return sum + passes * tensor.shape.reduce(1, *)
    }
  }

  /// Writes the file, which appears under its name only when it is complete.
  /// - Parameter progress: called on the calling thread with the elements done so far and the current tensor; an error it throws
  ///   aborts the conversion.
  package func write(
    to path: String, progress: (_ done: Int, _ tensor: String) throws -> Void = { _, _ in }
  ) throws -> [TensorReport] {
    let writer = try WeightFileWriter(path: path, compression: options.compression)
    for (key, value) in metadata { writer.set(key, value) }
    let pool = ThreadPool()
    var reports: [TensorReport] = []
    var done = 0
    let (source, added) = try smoothed(pool)
    let encodings = try encodings(from: source, pool: pool) { measured, tensor in
      done = measured
      try progress(done, tensor)
    }
    if !added.isEmpty { writer.require(version: Linear.inputFactorsVersion) }
    let tables = added.map { ($0, (encoding: TensorEncoding.f32, group: 0)) }
    for (tensor, (encoding, group)) in Array(zip(system.tensors, encodings)) + tables {
      try progress(done, tensor.name)
      var error = PackingError()
      var isWeighted = false
      if encoding.isPacked {
        try writer.beginTensor(name: tensor.name, shape: tensor.shape, encoding: encoding, group: group)
        for matrix in tensor.matrices {
          let stream = try stream(matrix, encoding, group, from: source, pool: pool)
          isWeighted = stream.isWeighted
          error += try stream.run { bytes, elements in
            try writer.write(bytes)
            done += elements
            try progress(done, tensor.name)
          }
        }
        try writer.endTensor()
      } else {
        let values = try table(tensor, from: source)
        try values.withUnsafeBytes { try writer.addTensor(name: tensor.name, shape: tensor.shape, encoding: .f32, bytes: $0) }
        done = min(done + values.count, totalElements)
      }
      for part in tensor.sources { source.release(part.info.name) }
      reports.append(
        TensorReport(
          name: tensor.name, shape: tensor.shape, encoding: encoding, group: group,
          byteCount: Self.byteCount(tensor, encoding, group), error: error, isWeighted: isWeighted))
    }
    try progress(done, "")
    try writer.finish()
    return reports
  }

  /// A plain tensor, whole.
  private func table(_ tensor: PlannedTensor, from source: any TensorSource) throws -> [Float] {
    var values: [Float] = []
    for part in tensor.sources { values += try source.read(part) }
    if let bad = values.firstIndex(where: { !$0.isFinite }) {
      throw ConversionError.notRepresentable(tensor: tensor.name, row: bad, detail: "not a finite number")
    }
    guard tensor.order == .depthwise else { return values }
    let channels = tensor.shape[1]
    return (0..<9 * channels).map { values[$0 % channels * 9 + $0 / channels] }
  }
}
