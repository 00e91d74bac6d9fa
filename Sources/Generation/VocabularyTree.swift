// SPDX-License-Identifier: Apache-2.0
import Constraints
import Families
import Runtime
import Synchronization
import Tokenizers

/// The tokens of a model by their bytes, made when the first constraint is. Any thread may ask; those that ask at the same moment may each make
/// one, of which one is kept, so that nobody waits for a thread that a fork has left behind.
final class VocabularyTree: Sendable {
  private final class Entry: Sendable {
    let trie: TokenTrie
    let holding: MemoryHolding?

    init(_ trie: TokenTrie, _ holding: MemoryHolding?) {
      self.trie = trie
      self.holding = holding
    }
  }

  /// Address of an entry that this object owns; 0: there is none yet.
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
        case .textAfterBlank: .textAfterBlank
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

/// What making or following a constraint may end with.
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
