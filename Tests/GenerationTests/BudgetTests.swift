// SPDX-License-Identifier: Apache-2.0
import Families
import Fovea
import Generation
import Images
import Runtime
import TestSupport
import Testing

@Suite struct BudgetTests {
  private func plan(_ tiny: TinyModel, sessions: Int = 1, image: ImageSize? = nil) throws -> MemoryPlan {
    try Model.plan(path: tiny.path, options: options(nil, sessions: sessions, image: image))
  }

  private func options(_ budget: Int?, sessions: Int = 1, image: ImageSize? = nil) -> LoadOptions {
    var o = LoadOptions(threads: 1, memoryBudget: budget)
    (o.sessions, o.imageSize) = (sessions, image)
    return o
  }

  private func expectNoMemory(_ words: String, _ body: () throws -> Void) {
    do {
      try body()
      Issue.record("no error, expected one that says: \(words)")
    } catch let error as FoveaError {
      #expect(error.status == .memory)
      #expect(error.message.contains(words), "\(error.message)")
    } catch { Issue.record("\(error)") }
  }

  @Test func thePlanGrowsWithSessionsAndImages() throws {
    let tiny = try TinyModel()
    defer { tiny.delete() }
    let (one, three) = (try plan(tiny), try plan(tiny, sessions: 3))
    #expect(three.cache == one.cache && three.caches == 3 * one.cache)
    #expect(three.total >= one.total + 2 * one.cache && three.scratch >= 3 * one.answer + three.pass)
    // All sessions' passes have one scratch memory.
    let eight = try plan(tiny, sessions: 8)
    #expect(eight.pass == three.pass && eight.scratch - three.scratch <= 5 * eight.answer)
    // One slice takes less than the largest grid.
    #expect(try plan(tiny, image: ImageSize(width: 20, height: 20)).scratch <= one.scratch)
    #expect(throws: FoveaError.self) { try plan(tiny, image: ImageSize(width: -1, height: 3)) }
  }

  @Test func aBudgetOfThePlanIsEnoughForWhatItCounts() throws {
    let tiny = try TinyModel()
    defer { tiny.delete() }
    for sessions in [1, 3] {
      let model = try Model.load(path: tiny.path, options: options(plan(tiny, sessions: sessions).total, sessions: sessions))
      let image = try model.encode(TinyModel.image(width: 70, height: 50))
      let all = try (0..<sessions).map { _ in try Session(model) }
      var o = GenerateOptions()
      o.maxTokens = 3
      for session in all { _ = try session.generate(prompt: Array("what".utf8), images: [image], options: o) }
    }
  }

  @Test func sessionsBeyondTheBudgetAreRefusedUntilOneIsGone() throws {
    let tiny = try TinyModel()
    defer { tiny.delete() }
    let plan = try plan(tiny, sessions: 2)
    let model = try Model.load(path: tiny.path, options: options(plan.total, sessions: 2))
    var first: Session? = try Session(model)
    let second = try Session(model)
    expectNoMemory("session: takes \(plan.cache) bytes, 0 are left") { _ = try Session(model) }
    _ = first
    first = nil
    let third = try Session(model)
    withExtendedLifetime((second, third)) {}
    // Without a budget nothing is counted.
    let free = try Model.load(path: tiny.path, options: options(nil))
    let many = try (0..<5).map { _ in try Session(free) }
    #expect(many.count == 5)
  }

  @Test func imagesAreHeldUntilTheyAreReleased() throws {
    let tiny = try TinyModel()
    defer { tiny.delete() }
    let size = ImageSize(width: 70, height: 50)
    let model = try Model.load(path: tiny.path, options: options(plan(tiny, image: size).total, image: size))
    let picture = try TinyModel.image(width: size.width, height: size.height)
    let before = model.room
    var images: [ImageEmbedding] = []
    expectNoMemory("encoding 70 × 50 pixels") {
      while images.count < 10_000 { images.append(try model.encode(picture)) }
    }
    #expect(!images.isEmpty)
    #expect(model.room == before.map { $0 - images.reduce(0) { $0 + $1.heldBytes } })
    images = []
    #expect(model.room == before)
    _ = try model.encode(picture)
  }

  @Test func anAccountNeverGivesMoreThanItHas() {
    let account = MemoryAccount(limit: 100)
    let a = account.hold(60)
    #expect(a != nil && account.hold(41) == nil && account.hold(-1) == nil && account.hold(.max) == nil)
    let b = account.hold(40)
    #expect(b != nil && account.left == 0)
    b?.shrink(to: 10)
    b?.shrink(to: 20)
    #expect(account.left == 30 && b?.bytes == 10)
    withExtendedLifetime((a, b)) {}
  }
}
