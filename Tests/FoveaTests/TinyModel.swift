// SPDX-License-Identifier: Apache-2.0
import Foundation
import WeightFile

/// A LLaVA of a few thousand random f32 weights, in a file of its own: 28-pixel images, 4 image tokens, byte vocabulary.
final class TinyModel {
  static let hidden = 16, intermediate = 32, vocabulary = 270, context = 96
  let path: String
  private var state: UInt64

  /// - Parameters:
  ///   - coordinates: how prompts and answers write places, `prompt.coordinates`.
  ///   - hasTurns: whether it takes conversations.
  init(seed: UInt64 = 1, coordinates: String? = nil, hasTurns: Bool = false) throws {
    path = NSTemporaryDirectory() + "fovea-abi-\(UUID().uuidString).fovea"
    state = seed
    let w = try WeightFileWriter(path: path, compression: .none)
    setMetadata(w)
    if hasTurns { w.set("prompt.turnSeparator", .string("</s>")) }
    if let coordinates { w.set("prompt.coordinates", .string(coordinates)) }
    let (h, m) = (Self.hidden, Self.intermediate)
    try matrix(w, "vision.patch", h, 3 * 14 * 14, bias: false)
    try plain(w, "vision.class", [h])
    try plain(w, "vision.position", [5, h])
    try norm(w, "vision.preNorm")
    try block(w, "vision.layers.0", qkv: 3 * h, expand: ("expand", m), bias: true)
    try matrix(w, "projector.0", h, h)
    try matrix(w, "projector.2", h, h)
    try matrix(w, "language.embedding", Self.vocabulary, h, bias: false)
    for i in 0..<2 { try block(w, "language.layers.\(i)", qkv: 3 * h, expand: ("gateUp", 2 * m), bias: false) }
    try norm(w, "language.norm", bias: false)
    try matrix(w, "language.head", Self.vocabulary, h, bias: false)
    try w.finish()
  }

  deinit { unlink(path) }

  private func block(
    _ w: WeightFileWriter, _ name: String, qkv: Int, expand: (name: String, outputs: Int), bias: Bool
  ) throws {
    try norm(w, "\(name).norm1", bias: bias)
    try norm(w, "\(name).norm2", bias: bias)
    try matrix(w, "\(name).attn.qkv", qkv, Self.hidden, bias: bias)
    try matrix(w, "\(name).attn.out", Self.hidden, Self.hidden, bias: bias)
    try matrix(w, "\(name).mlp.\(expand.name)", expand.outputs, Self.hidden, bias: bias)
    try matrix(w, "\(name).mlp.contract", Self.hidden, Self.intermediate, bias: bias)
  }

  private func norm(_ w: WeightFileWriter, _ name: String, bias: Bool = true) throws {
    try plain(w, "\(name).weight", [Self.hidden], around: 1)
    if bias { try plain(w, "\(name).bias", [Self.hidden]) }
  }

  private func plain(_ w: WeightFileWriter, _ name: String, _ shape: [Int], around centre: Float = 0) throws {
    let x = (0..<shape.reduce(1, *)).map { _ in centre + number(0.2) }
    try x.withUnsafeBytes { try w.addTensor(name: name, shape: shape, encoding: .f32, bytes: $0) }
  }

  private func matrix(_ w: WeightFileWriter, _ name: String, _ outputs: Int, _ inputs: Int, bias: Bool = true) throws {
    var packed = [Float](repeating: 0, count: (outputs + 15) / 16 * 16 * inputs)
    for o in 0..<outputs {
      for i in 0..<inputs { packed[(o / 16 * inputs + i) * 16 + o % 16] = number(1.7 / Float(inputs).squareRoot()) }
    }
    try packed.withUnsafeBytes {
      try w.addTensor(name: "\(name).weight", shape: [outputs, inputs], encoding: .f32x16, bytes: $0)
    }
    if bias { try plain(w, "\(name).bias", [outputs]) }
  }

  /// In −scale ..< scale (Knuth's MMIX generator).
  private func number(_ scale: Float) -> Float {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return (Float(state >> 33) / Float(1 << 30) - 1) * scale
  }

  private func setMetadata(_ w: WeightFileWriter) {
    for (key, value) in [
      ("general.system", "llava"), ("general.type", "f32"), ("general.name", "tiny \"quoted\""),
      ("vision.activation", "quick_gelu"), ("image.fit", "pad"), ("projector.kind", "mlp2x_gelu"),
      ("prompt.template", "{system}USER: <image>\n{question} ASSISTANT:"), ("prompt.system", "S. "),
      ("tokenizer.kind", "sentencepiece_bpe"),
    ] { w.set(key, .string(value)) }
    for (key, value) in [
      ("vision.hiddenSize", Self.hidden), ("vision.intermediateSize", Self.intermediate), ("vision.layers", 1),
      ("vision.heads", 2), ("vision.imageSize", 28), ("vision.patchSize", 14), ("language.hiddenSize", Self.hidden),
      ("language.intermediateSize", Self.intermediate), ("language.layers", 2), ("language.heads", 2),
      ("language.kvHeads", 2), ("language.headSize", 8), ("language.vocabSize", Self.vocabulary),
      ("language.contextLength", Self.context), ("tokenizer.bos", 1), ("tokenizer.eos", 2), ("tokenizer.unk", 0),
    ] { w.set(key, .int(value)) }
    for (key, value) in [("vision.normEpsilon", 1e-5), ("language.normEpsilon", 1e-5), ("language.ropeTheta", 1e4)] {
      w.set(key, .double(value))
    }
    w.set("vision.mean", .doubles([0.5, 0.5, 0.5]))
    w.set("vision.std", .doubles([0.25, 0.25, 0.25]))
    w.set("image.padColour", .ints([127, 127, 127]))
    w.set("tokenizer.addBos", .bool(true))
    let bytes = (0..<256).map { String(format: "<0x%02X>", $0) }
    let letters = ["\u{2581}", "a", "b", "c", "d"]
    let pieces = ["<unk>", "<s>", "</s>"] + bytes + letters
    w.set("tokenizer.pieces", .strings(pieces))
    w.set("tokenizer.types", .ints([2, 3, 3] + bytes.map { _ in 6 } + letters.map { _ in 1 }))
    w.set("tokenizer.scores", .doubles(pieces.indices.map { -Double($0) }))
  }
}
