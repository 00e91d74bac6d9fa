// SPDX-License-Identifier: Apache-2.0
import Decoders
import Runtime
import Shims

/// Lets sessions that compute at the same time pass the decoder together, so that its weights are read once for all of them.
///
/// A session is a member as long as it answers. Whoever comes for a pass waits until the other members have come too, but not much longer than
/// a part of what a pass takes (a callback may keep one of them); then one of those that wait leads: it takes the rows of all through the decoder on
/// its own thread and in its own scratch memory. A prompt passes in small chunks while there are others, whose tokens pass with it. What a row
/// becomes does not depend on its company, so every answer is the one that the session gives alone.
package final class LockStep: @unchecked Sendable {
  /// Positions of a prompt that pass together while others compute.
  private static let sharedChunk = 96
  /// Rows that pass together: so many that the leader's scratch memory for a chunk of its own has room for them.
  private static let mostRows = Session.chunk / 2
  /// How long members that have not come are waited for: bounds in nanoseconds, and the part of what the last pass took.
  private static let longestWait: UInt64 = 20_000_000
  private static let shortestWait: UInt64 = 100_000
  private static let waitingPart: UInt64 = 4
  /// Nanoseconds between two looks of a waiting member at its deadline.
  private static let look: UInt64 = 10_000_000

  private let monitor = Monitor()
  private let fork = ForkMark()
  private var members: [Member] = []
  /// Members that have come for a pass, in order.
  private var waiting: [Member] = []
  private var isRunning = false
  /// When the wait for others ends.
  private var gathered: UInt64 = 0
  private var lastPass: UInt64 = 0
  /// How many passes had the rows of several members.
  package private(set) var sharedPasses = 0

  /// A session that computes.
  final class Member {
    fileprivate let context: Context
    /// As `context`, to be stopped only when all that pass with it are.
    fileprivate let shared: Context
    fileprivate var pass: DecoderPass?
    fileprivate var outcome: Result<Void, RuntimeError>?
    /// It was not there when the others had waited for it: they do so no more until it comes.
    fileprivate var isLate = false
    /// Its pass with others failed, and is tried alone.
    fileprivate var isApart = false

    fileprivate init(_ context: Context) {
      self.context = context
      shared = context.with(StopSignal())
    }
  }

  /// Makes a session a member, until `leave`.
  func join(_ context: Context) -> Member {
    let member = Member(context)
    guard !fork.isChild else { return member }
    monitor.locked { members.append(member) }
    return member
  }

  func leave(_ member: Member) {
    guard !fork.isChild else { return }
    monitor.locked {
      members.removeAll { $0 === member }
      monitor.wakeAll()
    }
  }

  /// Positions of a prompt that pass together now.
  var chunk: Int {
    guard !fork.isChild else { return Session.chunk }
    return monitor.locked { members.count > 1 ? Self.sharedChunk : Session.chunk }
  }

  /// Computes a pass, with those of others where there are any.
  func run(_ pass: DecoderPass, for member: Member) throws(RuntimeError) {
    // The other members of a parent are not in its child.
    guard !fork.isChild else { return try pass.run(member.context) }
    monitor.lock()
    defer { monitor.unlock() }
    (member.pass, member.outcome, member.isLate, member.isApart) = (pass, nil, false, false)
    defer { member.pass = nil }
    if waiting.isEmpty, !isRunning { beginWait() }
    waiting.append(member)
    if areAllThere { monitor.wakeAll() }
    while true {
      if let outcome = member.outcome { return try outcome.get() }
      // The first leads, so nobody is left behind.
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

  /// Takes the leader's pass and those that fit beside it through the decoder.
  private func lead(_ leader: Member) {
    var taken = [leader]
    if !leader.isApart, var rows = leader.pass?.rows {
      // Tokens before chunks of prompts.
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
      // It may be one member's doing, or too large together.
      for member in taken { member.isApart = true }
      waiting = taken + waiting
    case .success, .failure:
      for member in taken { member.outcome = outcome }
    }
    beginWait()
    monitor.wakeAll()
  }

  // MARK: without

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
    let mark = context.arena.mark()
    defer { context.arena.release(to: mark) }
    let passes = taken.compactMap { $0.pass }
    let x = try context.arena.tensor(passes.reduce(0) { $0 + $1.rows }, decoder.hiddenSize)
    var all = DecoderPass(decoder, x)
    for pass in passes { all.append(pass) }
    try all.run(context) { _ in
      if taken.allSatisfy({ $0.context.stop.isStopped }) { context.stop.cancel() }
    }
  }
}
