// SPDX-License-Identifier: Apache-2.0
import Foundation
import Images
import WeightFile

/// Deterministic numbers, the same on every machine (Knuth's MMIX generator).
package struct Numbers {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  package mutating func bits() -> UInt32 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return UInt32(truncatingIfNeeded: state >> 33)
  }
  /// In −scale ..< scale.
  package mutating func float(_ scale: Float) -> Float { (Float(bits()) / Float(1 << 30) - 1) * scale }
}

/// A HiRes-LLaVA of a few thousand random f32 weights: 32-pixel slices of 4 × 4 patches, 4 tokens a view.
package struct TinyModel {
  package static let hidden = 32, intermediate = 64, vocabulary = 300, context = 256
  package let path: String

  /// - Parameters:
  ///   - trained: nil: plain positions; else Qwen v1's, trained with that many.
  ///   - locations: first column, first row and how many of each, as location tokens.
  ///   - change: gets each tensor's values before they are written.
  package init(
    seed: UInt64 = 7, maxSlices: Int = 9, trained: Int? = nil, locations: (column: String, row: String, count: Int)? = nil,
    _ change: (String, inout [Float]) -> Void = { _, _ in }
  ) throws {
    path = NSTemporaryDirectory() + "fovea-tiny-\(UUID().uuidString).fovea"
    let w = try WeightFileWriter(path: path, compression: .none)
    TinyModel.setMetadata(w, maxSlices: maxSlices)
    if let trained {
      w.set("language.ropeScaling", .string("dynamic_ntk"))
      w.set("language.ropeOriginalContext", .int(trained))
      w.set("language.lognContext", .int(trained))
    }
    if let (column, row, count) = locations {
      w.set("prompt.locations.column", .string(column))
      w.set("prompt.locations.row", .string(row))
      w.set("prompt.locations.count", .int(count))
    }
    var numbers = Numbers(seed: seed)
    func values(_ name: String, _ count: Int, _ scale: Float, around centre: Float = 0) -> [Float] {
      var x = (0..<count).map { _ in centre + numbers.float(scale) }
      change(name, &x)
      return x
    }
    func plain(_ name: String, _ shape: [Int], around centre: Float = 0) throws {
      let x = values(name, shape.reduce(1, *), 0.2, around: centre)
      try x.withUnsafeBytes { try w.addTensor(name: name, shape: shape, encoding: .f32, bytes: $0) }
    }
    func matrix(_ name: String, _ outputs: Int, _ inputs: Int, bias: Bool = true) throws {
      let x = values(name + ".weight", outputs * inputs, 1.7 / Float(inputs).squareRoot())
      var packed = [Float](repeating: 0, count: (outputs + 15) / 16 * 16 * inputs)
      for o in 0..<outputs {
        for i in 0..<inputs { packed[(o / 16 * inputs + i) * 16 + o % 16] = x[o * inputs + i] }
      }
      try packed.withUnsafeBytes { try w.addTensor(name: name + ".weight", shape: [outputs, inputs], encoding: .f32x16, bytes: $0) }
      if bias { try plain(name + ".bias", [outputs]) }
    }
    func norm(_ name: String, bias: Bool = true) throws {
      try plain(name + ".weight", [Self.hidden], around: 1)
      if bias { try plain(name + ".bias", [Self.hidden]) }
    }
    let (h, m) = (Self.hidden, Self.intermediate)
    try matrix("vision.patch", h, 3 * 8 * 8, bias: false)
    try plain("vision.class", [h])
    try plain("vision.position", [17, h])
    try norm("vision.preNorm")
    for i in 0..<2 {
      let layer = "vision.layers.\(i)"
      try norm("\(layer).norm1")
      try norm("\(layer).norm2")
      try matrix("\(layer).attn.qkv", 3 * h, h)
      try matrix("\(layer).attn.out", h, h)
      try matrix("\(layer).mlp.expand", m, h)
      try matrix("\(layer).mlp.contract", h, m)
      try plain("\(layer).restore.local.weight", [9, h])
      try plain("\(layer).restore.local.bias", [h])
      try matrix("\(layer).restore.attn.qkv", 3 * h, h)
      try matrix("\(layer).restore.attn.out", h, h)
    }
    for name in ["normQuery", "normKeyValue", "normOutput"] { try norm("sampler.\(name)") }
    try matrix("sampler.attn.q", h, h)
    try matrix("sampler.attn.kv", 2 * h, h)
    try matrix("sampler.attn.out", h, h)
    try matrix("sampler.mlp.0", h, h)
    try matrix("sampler.mlp.2", h, h)
    for name in ["global", "slice", "row"] { try plain("separator.\(name)", [h]) }
    try matrix("language.embedding", Self.vocabulary, h, bias: false)
    for i in 0..<2 {
      let layer = "language.layers.\(i)"
      try norm("\(layer).norm1", bias: false)
      try norm("\(layer).norm2", bias: false)
      try matrix("\(layer).attn.qkv", (4 + 2 * 2) * 8, h, bias: false)
      try matrix("\(layer).attn.out", h, h, bias: false)
      try matrix("\(layer).mlp.gateUp", 2 * m, h, bias: false)
      try matrix("\(layer).mlp.contract", h, m, bias: false)
    }
    try norm("language.norm", bias: false)
    try matrix("language.head", Self.vocabulary, h, bias: false)
    try w.finish()
  }

  package func delete() { unlink(path) }

  private static func setMetadata(_ w: WeightFileWriter, maxSlices: Int) {
    for (key, value) in [
      ("general.system", "hires_llava"), ("general.type", "f32"), ("general.name", "tiny"),
      ("vision.activation", "quick_gelu"), ("prompt.template", "{system}USER: <image>\n{question} ASSISTANT:"),
      ("prompt.system", "S. "), ("tokenizer.kind", "sentencepiece_bpe"),
    ] { w.set(key, .string(value)) }
    for (key, value) in [
      ("vision.hiddenSize", hidden), ("vision.intermediateSize", intermediate), ("vision.layers", 2), ("vision.heads", 4),
      ("vision.imageSize", 32), ("vision.patchSize", 8), ("hires.maxSlices", maxSlices), ("hires.samplerKernel", 2),
      ("hires.samplerHeads", 4), ("hires.restoreHeads", 4), ("language.hiddenSize", hidden),
      ("language.intermediateSize", intermediate), ("language.layers", 2), ("language.heads", 4), ("language.kvHeads", 2),
      ("language.headSize", 8), ("language.vocabSize", vocabulary), ("language.contextLength", context),
      ("tokenizer.bos", 1), ("tokenizer.eos", 2), ("tokenizer.unk", 0),
    ] { w.set(key, .int(value)) }
    w.set("hires.restoreLayers", .ints([0, 1]))
    w.set("hires.restoreDown", .ints([4, 4]))
    w.set("image.padColour", .ints([122, 116, 104]))
    w.set("vision.normEpsilon", .double(1e-5))
    w.set("language.normEpsilon", .double(1e-5))
    w.set("language.ropeTheta", .double(10000))
    w.set("vision.mean", .doubles([0.48145466, 0.4578275, 0.40821073]))
    w.set("vision.std", .doubles([0.26862954, 0.26130258, 0.27577711]))
    w.set("tokenizer.eosIds", .ints([2]))
    w.set("prompt.tasks", .strings(["caption", "bare"]))
    w.set("prompt.taskTemplates", .strings(["<image> Describe: ", "<image>{question}"]))

    var pieces = ["<unk>", "<s>", "</s>"]
    var types = [2, 3, 3]
    for byte in 0..<256 {
      pieces.append(String(format: "<0x%02X>", byte))
      types.append(6)
    }
    for (i, letter) in "\u{2581}abcdefghijklmnopqrstuvwxyz".enumerated() where i < 40 {
      pieces.append(String(letter))
      types.append(1)
    }
    w.set("tokenizer.pieces", .strings(pieces))
    w.set("tokenizer.types", .ints(types))
    w.set("tokenizer.scores", .doubles(pieces.indices.map { -Double($0) }))
    w.set("tokenizer.addBos", .bool(true))
  }

  /// An image of random pixels.
  package static func image(width: Int, height: Int, seed: UInt64 = 3) throws -> RGBImage {
    var numbers = Numbers(seed: seed)
    let bytes = (0..<3 * width * height).map { _ in UInt8(truncatingIfNeeded: numbers.bits()) }
    return try bytes.withUnsafeBufferPointer {
      try RGBImage(rgb: $0.baseAddress!, width: width, height: height, stride: 3 * width)
    }
  }
}
