// SPDX-License-Identifier: Apache-2.0
import Conversion
import Families
import Foundation
import Schema
import WeightFile

typealias Entries = [(key: String, value: MetadataValue)]

/// Settings to try things on: those of every fixture checkpoint, and some for keys that none of them has.
enum Samples {
  private static let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  static let format = tests.deletingLastPathComponent().appendingPathComponent("Sources/WeightFile/FORMAT.md").path

  /// The folders of small checkpoints that this repository holds.
  static let checkpoints: [String] = {
    let roots = ["ConversionTests/Fixtures/checkpoints", "../tools/nano/models"].map { tests.appendingPathComponent($0).path }
    return roots.flatMap { root in
      ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []).sorted().map { "\(root)/\($0)/checkpoint" }
    }.filter { FileManager.default.fileExists(atPath: $0 + "/config.json") }
  }()

  /// Every part of every checkpoint.
  static func ofCheckpoints() throws -> [any Settings] {
    try checkpoints.flatMap { path in
      let checkpoint = try OpenCheckpoint(path: path)
      let system = try SystemDescription(checkpoint)
      var general = GeneralSettings()
      (general.system, general.type) = (system.system, "int8")
      let tokenizer = try TokenizerMetadata(checkpoint, system.tokenizer).settings(vocabSize: system.decoder.vocabSize)
      return [general, system.decoder, system.vision, system.prompt, tokenizer] as [any Settings]
    }
  }

  /// What no checkpoint here has, with the reason.
  static func rare() throws -> [any Settings] {
    var llama = LlamaSettings()
    (llama.heads, llama.kvHeads, llama.headSize, llama.vocabSize) = (8, 2, 64, 1000)
    // LLaMA 3.1's positions: checkpoints of eight billion weights.
    (llama.ropeScaling, llama.ropeFactor, llama.ropeOriginalContext) = (.llama3, 8, 8192)
    var linear = llama
    linear.ropeScaling = .linear
    // A sampler that no published system uses, from the paper's ablations, and pages that are read at two sizes and in parts.
    var hires = HiResLLaVASettings()
    hires.vision = try vision()
    (hires.restore.layers, hires.restore.heads, hires.restore.downRatio) = ([0, 3], 4, 2)
    hires.enlarge = [100, 125]
    hires.doubt = -0.1
    // Normalisers and unknown surfaces of SentencePiece models that are not LLaMA's.
    var piece = TokenizerSettings()
    (piece.sentencePiece.pieces, piece.sentencePiece.scores, piece.sentencePiece.types) = ([[0x61]], [0], [1])
    piece.sentencePiece.merges = []
    (piece.sentencePiece.charsMap, piece.sentencePiece.unknownSurface) = ([1, 2], [0x3F])
    (piece.added, piece.addedIds, piece.addedSpecial, piece.addedStrips) = ([[0x62]], [1], [1], [3])
    // OPT's vocabulary names its unknown piece; SmolLM2's puts digits apart.
    var bytes = TokenizerSettings()
    bytes.kind = .byteLevel
    (bytes.byteLevel.pieces, bytes.byteLevel.merges, bytes.byteLevel.unk) = ([[0x61], [0xFF]], [], 0)
    bytes.byteLevel.splits = [.singleDigits, .lineBreaks]
    // A file may leave its end tokens to `tokenizer.eos` alone.
    bytes.eos = 1
    bytes.bos = 0
    var half = GeneralSettings()
    (half.system, half.identity, half.part) = ("monkey", Array(0..<16), .decoder)
    // The reader's answers say where they read.
    var reader = PromptSettings()
    reader.template = "<image>{question}"
    (reader.locations.column, reader.locations.row, reader.locations.count) = ("<x0>", "<y0>", 256)
    return [DecoderSettings(llama), DecoderSettings(linear), hires, piece, bytes, half, reader]
  }

  private static func vision() throws -> CLIPSettings {
    var s = CLIPSettings()
    (s.hiddenSize, s.heads, s.layers, s.imageSize, s.patchSize) = (64, 4, 4, 56, 14)
    return s
  }
}

/// The metadata of a file with these entries and nothing else.
func metadata(_ entries: Entries) throws -> Metadata {
  let path = NSTemporaryDirectory() + "fovea-schema-\(UUID().uuidString).fovea"
  defer { unlink(path) }
  let writer = try WeightFileWriter(path: path, compression: .none)
  for (key, value) in entries { writer.set(key, value) }
  try writer.finish()
  return try WeightFile(path: path).metadata
}
