// SPDX-License-Identifier: Apache-2.0
import Families
import Foundation
import Fovea
import Generation
import Images
import Runtime
import TestSupport
import Testing
import WeightFile

/// Weights that are not always in memory change no answer, and a budget says which are.
@Suite struct ResidencyTests {
  private struct Answer: Equatable {
    var vectors: [Float] = []
    var logits: [Float] = []
    var ids: [Int32] = []
  }

  private func options(_ mode: Residency.Mode? = nil, maps: Bool = true, budget: Int? = nil, threads: Int = 2) -> LoadOptions {
    var o = LoadOptions(threads: threads, memoryBudget: budget, maps: maps)
    o.residency = mode
    return o
  }

  private func answer(_ model: Model, seed: UInt64 = 3) throws -> Answer {
    var answer = Answer()
    let image = try model.encode(TinyModel.image(width: 70, height: 50, seed: seed))
    answer.vectors = Array(UnsafeBufferPointer(start: image.data, count: image.tokens * image.hiddenSize))
    let session = try Session(model)
    var o = GenerateOptions()
    (o.maxTokens, o.ignoresEnd) = (12, true)
    answer.ids = try session.generate(prompt: Array("what is it".utf8), images: [image], options: o).ids
    try session.logits(prompt: Array("what is it".utf8), images: [image], options: o) { values, _ in answer.logits = Array(values) }
    return answer
  }

  /// The tiny model with every tensor compressed.
  private func packed(_ tiny: TinyModel) throws -> String {
    let path = tiny.path + ".packed"
    let writer = try WeightFileWriter(path: path, compression: .zstd)
    #expect(try writer.add(contentsOf: WeightFile(path: tiny.path)))
    try writer.finish()
    return path
  }

  @Test(arguments: [Residency.Mode.onDemand, .streamed], [true, false])
  func answersAreTheSame(mode: Residency.Mode, maps: Bool) throws {
    let tiny = try TinyModel()
    let packed = try packed(tiny)
    defer {
      tiny.delete()
      unlink(packed)
    }
    let expected = try answer(Model.load(path: tiny.path, options: options()))
    for path in [tiny.path, packed] {
      let model = try Model.load(path: path, options: options(mode, maps: maps))
      #expect(model.residency == mode)
      for _ in 0..<3 { #expect(try answer(model) == expected) }
      model.trim()
      #expect(try answer(model) == expected)
    }
  }

  @Test func aHeadIsLoadedInParts() throws {
    let tiny = try TinyModel()
    defer { tiny.delete() }
    let model = try Model.load(path: tiny.path, options: options(.streamed))
    let file = try WeightFile(path: tiny.path)
    let head = try #require(file.records.first { $0.name == "language.head.weight" })
    let largest = file.records.filter { $0.name != "language.head.weight" && $0.name != "language.embedding.weight" }.map { $0.byteCount }.max() ?? 0
    #expect(model.residency == .streamed && head.byteCount > largest)
    #expect(try MemoryPlan(file, options(.streamed)).residency.budget == largest)
  }

  @Test(arguments: [Residency.Mode.onDemand, .streamed])
  func callsAtOneTimeDoNotDisturbEachOther(mode: Residency.Mode) throws {
    let tiny = try TinyModel()
    let packed = try packed(tiny)
    defer {
      tiny.delete()
      unlink(packed)
    }
    let plain = try Model.load(path: tiny.path, options: options())
    let expected = try (0..<4).map { try answer(plain, seed: UInt64($0)) }
    // Any thread may use a model.
    nonisolated(unsafe) let model = try Model.load(path: packed, options: options(mode))
    let results = Results()
    DispatchQueue.concurrentPerform(iterations: 8) { i in
      do { results.add(i, try answer(model, seed: UInt64(i % 4)) == expected[i % 4]) } catch { results.add(i, false) }
    }
    #expect(results.all == Array(repeating: true, count: 8))
  }

  private final class Results: @unchecked Sendable {
    private let lock = NSLock()
    private var found = Array(repeating: false, count: 8)
    func add(_ i: Int, _ isRight: Bool) { lock.withLock { found[i] = isRight } }
    var all: [Bool] { lock.withLock { found } }
  }

  /// Read, not mapped, every byte is counted: each mode takes less than the one before.
  @Test func theBudgetChoosesTheMode() throws {
    let tiny = try TinyModel()
    defer { tiny.delete() }
    func plan(_ mode: Residency.Mode?, _ budget: Int? = nil) throws -> MemoryPlan {
      try Model.plan(path: tiny.path, options: options(mode, maps: false, budget: budget))
    }
    let (all, onDemand, streamed) = (try plan(.resident).total, try plan(.onDemand).total, try plan(.streamed).total)
    #expect(all > onDemand && onDemand > streamed)
    #expect(try plan(nil).least == streamed && plan(nil).residency.mode == .resident)
    for (budget, mode) in [
      (all, Residency.Mode.resident), (all - 1, .onDemand), (onDemand, .onDemand), (onDemand - 1, .streamed), (streamed, .streamed),
    ] {
      let model = try Model.load(path: tiny.path, options: options(maps: false, budget: budget))
      #expect(model.residency == mode)
      #expect(try plan(nil, budget).total <= budget)
      _ = try answer(model)
    }
    // What a larger budget leaves is used: less passes.
    #expect(try plan(nil, onDemand - 1).decodedWeights > plan(nil, streamed).decodedWeights)
    let error = #expect(throws: FoveaError.self) { try Model.load(path: tiny.path, options: options(maps: false, budget: streamed - 1)) }
    #expect(error?.status == .memory && error?.message.contains("needs about \(streamed) bytes") == true, "\(error?.message ?? "")")
  }

  @Test func aMessageNamesABudgetThatWouldDo() throws {
    let tiny = try TinyModel()
    defer { tiny.delete() }
    let budget = try Model.plan(path: tiny.path, options: options()).total
    let model = try Model.load(path: tiny.path, options: options(budget: budget))
    let first = try Session(model)
    let error = #expect(throws: FoveaError.self) { try Session(model) }
    let enough = try #require(error?.message.split(separator: " ").compactMap { Int($0) }.last)
    #expect(enough > budget)
    let larger = try Model.load(path: tiny.path, options: options(budget: enough))
    let both = (try Session(larger), try Session(larger))
    withExtendedLifetime((first, both)) {}
  }

  @Test func aDamagedWeightIsFoundWhenItComes() throws {
    let tiny = try TinyModel()
    let path = try packed(tiny)
    defer {
      tiny.delete()
      unlink(path)
    }
    // The last matrix ends where the metadata begins, which the header says at byte 24.
    let stored = try WeightFile(path: path).requireRecord("language.head.weight").storedByteCount
    var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    let end = bytes[24..<32].reversed().reduce(0) { $0 << 8 | Int($1) }
    bytes[end - stored / 2] ^= 0xFF
    try bytes.write(to: URL(fileURLWithPath: path))
    let model = try Model.load(path: path, options: options(.streamed))
    let session = try Session(model)
    for _ in 0..<2 {
      let error = #expect(throws: FoveaError.self) { try session.generate(prompt: Array("x".utf8), images: [], options: GenerateOptions()) }
      #expect(error?.status == .format && error?.message.contains("language.head.weight") == true, "\(error?.message ?? "")")
    }
  }

  @Test func whatIsHeldIsToldByKind() throws {
    let tiny = try TinyModel()
    defer { tiny.delete() }
    let model = try Model.load(path: tiny.path, options: options())
    let empty = model.memoryUse
    #expect(empty.sessions == 0 && empty.images == 0 && empty.scratch == 0 && empty.mapped > 0 && empty.tables > 0)
    do {
      let image = try model.encode(TinyModel.image(width: 70, height: 50))
      #expect(model.memoryUse.images == image.heldBytes)
      let session = try Session(model)
      #expect(model.memoryUse.sessions == 0)
      _ = try session.generate(prompt: Array("x".utf8), images: [image], options: GenerateOptions())
      let used = model.memoryUse
      #expect(used.sessions > 0 && used.scratch > 0 && used.total > empty.total)
      try session.reset()
      #expect(model.memoryUse.sessions == 0)
    }
    #expect(model.memoryUse.total == empty.total)
    // Of weights that pass through, no more than have room are there.
    let streamed = try Model.load(path: tiny.path, options: options(.streamed, maps: false))
    _ = try answer(streamed)
    #expect(streamed.memoryUse.weights < model.memoryUse.weights + model.memoryUse.mapped)
    streamed.trim()
    #expect(streamed.memoryUse.weights < streamed.weightBytes / 2)
  }
}
