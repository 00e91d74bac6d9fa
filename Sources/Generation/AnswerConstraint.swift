// SPDX-License-Identifier: Apache-2.0
import Constraints
import Families
import Runtime

/// What an answer must be, as its options say it.
package struct AnswerConstraint: Equatable {
  package let kind: Constraint.Kind
  /// UTF-8.
  package let text: [UInt8]

  package init(_ kind: Constraint.Kind, _ text: [UInt8]) {
    self.kind = kind
    self.text = text
  }
}

/// Bans what a constraint does not allow. First of the processors: what others think of the rest comes after.
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

  /// Most tokens that are guessed at once.
  private static var most: Int { 16 }

  var forced: [Int32] {
    do throws(ConstraintError) { return try constraint.forced(most: Self.most) } catch { return [] }
  }
}

/// Gives back what a constraint allows where all of it was banned by the processors between: a constraint outweighs bans of repetition and the
/// like.
final class ConstraintRescue: LogitsProcessor {
  /// Takes the logits as the constraint left them.
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
