// SPDX-License-Identifier: Apache-2.0
import Decoders
import Families
import Runtime
import Shims

/// Batches the decoder passes of sessions that compute at the same time, so that the weights are read once for all of them.
///
/// A session is a member while it answers. A member that arrives for a pass waits for the other members, at most about a fraction of a
/// pass's duration (a callback may keep one of them). Then one of those waiting leads: it runs the rows of all through the decoder on its
/// own thread. Prompts pass in smaller chunks while there are other members. A row's result does not depend on the batch, so every answer is
/// the one that the session gives alone.
///
/// One pass runs at a time, so one arena is enough for all of them.
package final class DecoderBatcher: @unchecked Sendable {
  /// Prefill chunk while other members compute, in positions.
  private static let sharedChunk = 96
  /// Most rows of a shared pass: with a copy of their vectors they take less memory than a chunk of one prompt.
  static let mostRows = Session.chunk / 2
  /// How long missing members are waited for: bounds in nanoseconds, and the divisor of the last pass's duration.
  private static let longestWait: UInt64 = 20_000_000
  private static let shortestWait: UInt64 = 100_000
  private static let waitingPart: UInt64 = 4
  /// Nanoseconds between a waiting member's checks of its deadline.
  private static let look: UInt64 = 10_000_000

  private let monitor = Monitor()
  private let fork = ForkMark()
  /// Scratch memory of the pass that runs.
  private let arena: Arena
  private let keepsMemory: Bool
  /// The model's sessions: without any, the arena keeps no memory.
  private var sessions = 0
  /// The arena's share of the budget while there are members.
  private var holding: MemoryHolding?
  private var members: [Member] = []
  /// Members waiting for a pass, in order of arrival.
  private var waiting: [Member] = []
  private var isRunning = false
  /// When the wait for the others ends.
  private var gathered: UInt64 = 0
  private var lastPass: UInt64 = 0
  /// Passes that had rows of several members.
  package private(set) var sharedPasses = 0

  /// - Parameters:
  ///   - arena: scratch memory of passes.
  ///   - keepsMemory: whether the arena keeps its memory while no session computes.
  init(_ arena: Arena, keepsMemory: Bool) {
    self.arena = arena
    self.keepsMemory = keepsMemory
  }

  /// A session that computes.
  final class Member {
    /// With the session's arena.
    fileprivate let own: Context
    /// With the arena of passes.
    fileprivate let context: Context
    /// As `context`, but stopped only when all members of the pass are.
    fileprivate let shared: Context
    /// Its passes' share of the budget in a forked child.
    fileprivate var holding: MemoryHolding?
    fileprivate var pass: DecoderPass?
    fileprivate var outcome: Result<Void, RuntimeError>?
    /// It missed a pass: the others do not wait for it until it comes back.
    fileprivate var isLate = false
    /// Its shared pass failed, so it runs alone.
    fileprivate var isApart = false

    fileprivate init(_ own: Context, _ arena: Arena) {
      self.own = own
      context = own.with(arena, own.stop)
      shared = own.with(arena, StopSignal())
    }
  }

  /// Counts a new session until `release`.
  func retain() {
    guard !fork.isChild else { return }
    monitor.locked { sessions += 1 }
  }

  /// A session is gone.
  func release() {
    guard !fork.isChild else { return }
    monitor.locked {
      sessions -= 1
      if sessions == 0 { arena.trim() }
    }
  }

  /// Makes a session a member, until `leave`.
  func join(_ context: Context, _ budget: Budget?) throws(FoveaError) -> Member {
    let member = Member(context, arena)
    guard !fork.isChild else {
      member.holding = try budget?.passing()
      return member
    }
    monitor.lock()
    defer { monitor.unlock() }
    if members.isEmpty { holding = try budget?.passing() }
    members.append(member)
    return member
  }

  func leave(_ member: Member) {
    guard !fork.isChild else { return }
    monitor.locked {
      members.removeAll { $0 === member }
      if members.isEmpty {
        if !keepsMemory { arena.trim() }
        holding = nil
      }
      monitor.wakeAll()
    }
  }

  /// Gives back the memory of passes while none runs.
  func trim() {
    guard !fork.isChild else { return }
    monitor.locked { if !isRunning { arena.trim() } }
  }

  /// Prefill chunk at present, in positions.
  var chunk: Int {
    guard !fork.isChild else { return Session.chunk }
    return monitor.locked { members.count > 1 ? Self.sharedChunk : Session.chunk }
  }

  /// Runs a pass, together with those of other members where there are any.
  func run(_ pass: DecoderPass, for member: Member) throws(RuntimeError) {
    // After a fork, the parent's other members do not exist in the child.
    guard !fork.isChild else { return try pass.run(member.own) }
    monitor.lock()
    defer { monitor.unlock() }
    (member.pass, member.outcome, member.isLate, member.isApart) = (pass, nil, false, false)
    defer { member.pass = nil }
    if waiting.isEmpty, !isRunning { beginWait() }
    waiting.append(member)
    if areAllThere { monitor.wakeAll() }
    while true {
      if let outcome = member.outcome { return try outcome.get() }
      // The first to arrive leads, so no member waits for ever.
      if waiting.first === member, !isRunning, areAllThere || StopSignal.now >= gathered {
        lead(member)
        continue
      }
      let isTaken = !waiting.contains { $0 === member }
      if !isTaken, member.context.stop.isStopped {
        waiting.removeAll { $0 === member }
        throw member.context.stop.reason
      }
      let next = StopSignal.now &+ Self.look
      monitor.wait(until: isRunning || isTaken ? next : min(next, gathered))
    }
  }

  // MARK: with the monitor locked

  private var areAllThere: Bool {
    var missing = members.count - waiting.count
    for member in members where member.isLate { missing -= 1 }
    return missing <= 0
  }

  private func beginWait() {
    gathered = StopSignal.now &+ min(max(lastPass / Self.waitingPart, Self.shortestWait), Self.longestWait)
  }

  /// Runs the leader's pass and those that fit beside it.
  private func lead(_ leader: Member) {
    var taken = [leader]
    if !leader.isApart, var rows = leader.pass?.rows {
      // The smallest passes first: single tokens before chunks of prompts.
      let others = waiting.filter { $0 !== leader && !$0.isApart }
      for other in others.sorted(by: { ($0.pass?.rows ?? 0) < ($1.pass?.rows ?? 0) }) {
        guard let more = other.pass?.rows, rows + more <= Self.mostRows else { break }
        taken.append(other)
        rows += more
      }
    }
    waiting.removeAll { member in taken.contains { $0 === member } }
    for member in members where member.pass == nil { member.isLate = true }
    isRunning = true
    if taken.count > 1 { sharedPasses += 1 }
    monitor.unlock()
    let started = StopSignal.now
    let outcome = compute(taken)
    let ended = StopSignal.now
    monitor.lock()
    isRunning = false
    lastPass = ended &- started
    switch outcome {
    case .failure where taken.count > 1:
      // One member may have caused it, or the sum was too large: retry each alone.
      for member in taken { member.isApart = true }
      waiting = taken + waiting
    case .success, .failure:
      for member in taken { member.outcome = outcome }
    }
    beginWait()
    monitor.wakeAll()
  }

  // MARK: with the monitor unlocked

  private func compute(_ taken: [Member]) -> Result<Void, RuntimeError> {
    do throws(RuntimeError) {
      guard taken.count > 1 else {
        for member in taken { try member.pass?.run(member.context) }
        return .success(())
      }
      try together(taken)
      return .success(())
    } catch {
      return .failure(error)
    }
  }

  private func together(_ taken: [Member]) throws(RuntimeError) {
    guard let leader = taken.first, let decoder = leader.pass?.decoder else { return }
    let context = leader.shared
    context.stop.reset()
    let mark = arena.mark()
    defer { arena.release(to: mark) }
    let passes = taken.compactMap { $0.pass }
    let x = try arena.tensor(passes.reduce(0) { $0 + $1.rows }, decoder.hiddenSize)
    var all = DecoderPass(decoder, x)
    for pass in passes { all.append(pass) }
    try all.run(context) { _ in
      if taken.allSatisfy({ $0.context.stop.isStopped }) { context.stop.cancel() }
    }
  }
}
