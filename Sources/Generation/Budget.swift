// SPDX-License-Identifier: Apache-2.0
import Families
import Runtime

/// What a memory budget leaves beside the model, and what holds it: a session its KV cache for as long as it lives, an image its
/// vectors, a call its scratch memory while it runs.
final class Budget: Sendable {
  /// Bytes in all.
  let total: Int
  private let room: MemoryAccount
  /// Limit of what sessions hold, so that scratch memory for one computation always remains.
  private let sessions: MemoryAccount
  /// Scratch memory of one answer, and the part of it that a session keeps between calls.
  private let answer, kept: Int
  /// Scratch memory of the decoder's pass.
  private let pass: Int

  /// - Throws: `overBudget` where the plan takes more than `bytes`.
  init(_ bytes: Int, _ plan: MemoryPlan, file: String) throws(FoveaError) {
    guard plan.total <= bytes else {
      throw .overBudget(
        file: file, weights: plan.weights, context: plan.caches, scratch: plan.scratch, tables: plan.tables, budget: bytes)
    }
    total = bytes
    room = MemoryAccount(limit: bytes - plan.weights - plan.tables)
    sessions = MemoryAccount(limit: bytes - plan.weights - plan.tables - plan.scratch)
    (answer, kept) = (plan.answer, Arena.kept(of: plan.answer))
    pass = plan.pass
  }

  /// Bytes not held.
  var left: Int { room.left }
  /// Bytes that are left beside an answer's scratch memory.
  var spare: Int { max(room.left - (answer - kept) - pass, 0) }

  /// Held for as long as a session lives.
  func session(cache bytes: Int) throws(FoveaError) -> [MemoryHolding] {
    guard let place = sessions.hold(bytes) else { throw overRoom("session", bytes, sessions.left) }
    return [place, try hold(bytes + kept, "session")]
  }

  /// Held for as long as a session computes.
  /// - Parameter more: bytes beyond what an answer with the default options takes.
  func answering(more: Int) throws(FoveaError) -> MemoryHolding {
    let (bytes, overflows) = (answer - kept).addingReportingOverflow(more)
    return try hold(overflows ? .max : bytes, "answer")
  }

  /// Held while any session computes, for the one pass that runs at a time.
  func passing() throws(FoveaError) -> MemoryHolding { try hold(pass, "answer") }

  func hold(_ bytes: Int, _ what: String) throws(FoveaError) -> MemoryHolding {
    guard let holding = room.hold(bytes) else { throw overRoom(what, bytes, room.left) }
    return holding
  }

  private func overRoom(_ what: String, _ bytes: Int, _ left: Int) -> FoveaError {
    let (enough, overflows) = total.addingReportingOverflow(max(bytes - left, 0))
    return .overRoom(what, bytes: bytes, left: left, enough: overflows ? .max : enough)
  }
}
