// SPDX-License-Identifier: Apache-2.0
import Families
import Foundation
import Fovea
import Generation
import Images
import Schema
import TestSupport
import Testing
import WeightFile

/// A system split into what encodes images and what answers.
@Suite struct PartTests {
  private func half(_ part: FilePart, of tiny: TinyModel, to path: String) throws {
    let file = try WeightFile(path: tiny.path)
    let keeps = try Model.tensors(of: part, in: file)
    let writer = try WeightFileWriter(path: path, compression: .none)
    #expect(try writer.add(contentsOf: file, keeps: { record in keeps[file.index(of: record.name)!] }))
    writer.set("general.part", .string(part.spelling.description))
    writer.set("general.identity", .bytes(file.identity.bytes))
    try writer.finish()
  }

  private func answer(_ model: Model, _ image: ImageEmbedding) throws -> [Int32] {
    var o = GenerateOptions()
    (o.maxTokens, o.ignoresEnd) = (10, true)
    return try Session(model).generate(prompt: Array("what is it".utf8), images: [image], options: o).ids
  }

  private func bytes(_ image: ImageEmbedding, _ model: Model, halves: Bool = false) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: image.byteCount(halves: halves))
    bytes.withUnsafeMutableBytes { image.write(to: $0.baseAddress!, model: model.identity, halves: halves) }
    return bytes
  }

  @Test func oneHalfEncodesAndTheOtherAnswers() throws {
    let tiny = try TinyModel()
    let (visionPath, decoderPath) = (tiny.path + ".vision", tiny.path + ".decoder")
    defer {
      tiny.delete()
      unlink(visionPath)
      unlink(decoderPath)
    }
    try half(.vision, of: tiny, to: visionPath)
    try half(.decoder, of: tiny, to: decoderPath)
    let whole = try Model.load(path: tiny.path, options: LoadOptions(threads: 1))
    let vision = try Model.load(path: visionPath, options: LoadOptions(threads: 1))
    let decoder = try Model.load(path: decoderPath, options: LoadOptions(threads: 1))
    #expect(vision.identity == whole.identity && decoder.identity == whole.identity)
    #expect(vision.file.records.count + decoder.file.records.count == whole.file.records.count)
    let picture = try TinyModel.image(width: 70, height: 50)
    let here = try whole.encode(picture)
    let capsule = bytes(try vision.encode(picture), vision)
    #expect(capsule == bytes(here, whole))
    let there = try capsule.withUnsafeBytes { try decoder.embedding(from: $0) }
    #expect(try answer(decoder, there) == answer(whole, here))
    // What a half has not got is refused by name.
    let noVision = #expect(throws: FoveaError.self) { try decoder.encode(picture) }
    #expect(noVision?.status == .unsupported && noVision?.message.contains(decoderPath) == true)
    let noDecoder = #expect(throws: FoveaError.self) { try Session(vision) }
    #expect(noDecoder?.status == .unsupported && noDecoder?.message.contains(visionPath) == true)
    #expect(throws: FoveaError.self) { try Model.tensors(of: .vision, in: WeightFile(path: visionPath)) }
    // A half takes less; its budget is enough for it.
    for (path, part) in [(visionPath, FilePart.vision), (decoderPath, .decoder)] {
      var options = LoadOptions(threads: 1)
      options.memoryBudget = try Model.plan(path: path, options: options).total
      let model = try Model.load(path: path, options: options)
      if part == .vision {
        _ = try model.encode(picture)
      } else {
        let image = try capsule.withUnsafeBytes { try model.embedding(from: $0) }
        #expect(try answer(model, image) == answer(whole, here))
      }
    }
  }

  @Test func aFileThatOnlySaysItIsAHalfMissesNothingOfItsOwn() throws {
    let tiny = try TinyModel()
    let path = tiny.path + ".vision"
    defer {
      tiny.delete()
      unlink(path)
    }
    // The decoder's tensors under the name of the vision half: its own are missing, and named.
    let file = try WeightFile(path: tiny.path)
    let writer = try WeightFileWriter(path: path, compression: .none)
    #expect(try writer.add(contentsOf: file, keeps: { $0.name.hasPrefix("language.") }))
    writer.set("general.part", .string("vision"))
    try writer.finish()
    let error = #expect(throws: FoveaError.self) { try Model.load(path: path, options: LoadOptions(threads: 1)) }
    #expect(error?.status == .format && error?.message.contains("vision.") == true, "\(error?.message ?? "")")
  }

  @Test func halvesOfNumbersComeBack() throws {
    let tiny = try TinyModel()
    defer { tiny.delete() }
    let model = try Model.load(path: tiny.path, options: LoadOptions(threads: 1))
    let image = try model.encode(TinyModel.image(width: 70, height: 50))
    #expect(image.fitsHalves)
    let short = bytes(image, model, halves: true)
    #expect(short.count < bytes(image, model).count)
    let back = try short.withUnsafeBytes { try model.embedding(from: $0) }
    for i in 0..<image.tokens * image.hiddenSize {
      #expect(abs(back.data[i] - image.data[i]) <= abs(image.data[i]) / 2048 + 1e-7)
    }
    #expect(bytes(back, model, halves: true) == short)
  }
}
