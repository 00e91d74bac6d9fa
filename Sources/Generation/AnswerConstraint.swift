// SPDX-License-Identifier: Apache-2.0
import Constraints
import Families
import Runtime

/// The constraint on an answer, as the options state it.
package struct AnswerConstraint: Equatable {
  package let kind: Constraint.Kind
  /// UTF-8.
  package let text: [UInt8]

  package init(_ kind: Constraint.Kind, _ text: [UInt8]) {
    self.kind = kind
    self.text = text
  }
}

/// Bans the tokens that a constraint does not allow. It runs first, so that the other processors see only allowed tokens.
final class ConstraintMask: LogitsProcessor {
  private let constraint: Constraint
  private let endIds: [Int32]
  private let stop: StopSignal
  private(set) var failure: FoveaError?

  init(_ constraint: Constraint, endIds: [Int32], _ stop: StopSignal) {
    self.constraint = constraint
    self.endIds = endIds
    self.stop = stop
  }

  func process(_ logits: UnsafeMutableBufferPointer<Float>) {
    guard failure == nil else { return }
    do throws(ConstraintError) { try constraint.mask(logits, endIds: endIds) } catch { failure = FoveaError(error, stop) }
  }

  func accept(_ id: Int32) {
    guard failure == nil else { return }
    do throws(ConstraintError) { try constraint.accept(id, endIds: endIds) } catch { failure = FoveaError(error, stop) }
  }

  var isComplete: Bool { constraint.isComplete }

  /// Most forced tokens drafted at once.
  private static var most: Int { 16 }

  var forced: [Int32] {
    do throws(ConstraintError) { return try constraint.forced(most: Self.most) } catch { return [] }
  }
}

/// Restores the tokens that a constraint allows where the processors after it banned all of them: a constraint outranks n-gram bans and
/// the like.
final class ConstraintRescue: LogitsProcessor {
  /// Keeps a copy of the logits as the constraint left them.
  final class Copy: LogitsProcessor {
    fileprivate let logits: UnsafeMutableBufferPointer<Float>

    /// - Parameter scratch: `[vocabSize]`, the caller's.
    init(scratch: UnsafeMutableBufferPointer<Float>) { logits = scratch }

    func process(_ logits: UnsafeMutableBufferPointer<Float>) {
      guard let from = logits.baseAddress, logits.count == self.logits.count else { return }
      self.logits.baseAddress?.update(from: from, count: logits.count)
    }
  }

  private let copy: Copy

  init(_ copy: Copy) { self.copy = copy }

  func process(_ logits: UnsafeMutableBufferPointer<Float>) {
    let best = largestIndex(logits)
    guard logits.indices.contains(best), !(logits[best] > -.infinity), let from = copy.logits.baseAddress, copy.logits.count == logits.count
    else { return }
    logits.baseAddress?.update(from: from, count: logits.count)
  }
}
