// SPDX-License-Identifier: Apache-2.0
import Constraints
import Families
import Runtime
import Synchronization
import Tokenizers

/// The model's vocabulary as a trie over bytes, built for the first constraint. Thread-safe without a lock, since a fork could leave one
/// locked: concurrent callers may each build a trie, and one is kept.
final class VocabularyTrie: Sendable {
  private final class Entry: Sendable {
    let trie: TokenTrie
    let holding: MemoryHolding?

    init(_ trie: TokenTrie, _ holding: MemoryHolding?) {
      self.trie = trie
      self.holding = holding
    }
  }

  /// Address of the entry, which this object owns; 0: none yet.
  private let entry = Atomic<UInt>(0)

  deinit {
    if let pointer = UnsafeRawPointer(bitPattern: entry.load(ordering: .acquiring)) { Unmanaged<Entry>.fromOpaque(pointer).release() }
  }

  func trie(_ tokenizer: Tokenizer, vocabulary: Int, _ budget: Budget?, _ bounds: ConstraintBounds) throws(ConstraintFailure) -> TokenTrie {
    if let known = find() { return known.trie }
    let trie: TokenTrie
    do throws(ConstraintError) {
      trie = try TokenTrie(vocabulary: vocabulary, bounds: bounds) { id, bytes in
        switch tokenizer.appendText(of: id, to: &bytes) {
        case .none: .none
        case .text: .text
        case .textAfterSpace: .textAfterSpace
        }
      }
    } catch { throw .constraint(error) }
    let made: Entry
    do throws(FoveaError) { made = Entry(trie, try budget?.hold(trie.byteCount, "vocabulary of a constraint")) } catch { throw .other(error) }
    let pointer = Unmanaged.passRetained(made)
    let (exchanged, _) = entry.compareExchange(
      expected: 0, desired: UInt(bitPattern: pointer.toOpaque()), ordering: .acquiringAndReleasing)
    if !exchanged { pointer.release() }
    return find()?.trie ?? trie
  }

  private func find() -> Entry? {
    guard let pointer = UnsafeRawPointer(bitPattern: entry.load(ordering: .acquiring)) else { return nil }
    return Unmanaged<Entry>.fromOpaque(pointer).takeUnretainedValue()
  }
}

/// Errors of building or following a constraint.
enum ConstraintFailure: Error {
  case constraint(ConstraintError)
  case other(FoveaError)

  func error(_ stop: StopSignal) -> FoveaError {
    switch self {
    case .constraint(let e): FoveaError(e, stop)
    case .other(let e): e
    }
  }
}

extension FoveaError {
  init(_ e: ConstraintError, _ stop: StopSignal) {
    switch e {
    case .stopped: self = .runtime(stop.reason)
    case .outOfMemory(let bytes): self = .outOfMemory("a constraint", bytes: bytes)
    case .unspellable: self = .unsupported("constraint", e.description)
    default: self = .argument("constraint", e.description)
    }
  }
}
