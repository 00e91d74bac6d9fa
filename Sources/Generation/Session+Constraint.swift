// SPDX-License-Identifier: Apache-2.0
import Constraints
import Families
import Runtime

extension Session {
  /// The constraint that the options ask for, in its initial state. The last one is cached: the same text is not compiled again.
  func constraint(_ options: GenerateOptions) throws(FoveaError) -> Constraint? {
    guard let asked = options.constraint else { return nil }
    let bounds = ConstraintBounds { [stop] in stop.isStopped }
    do throws(ConstraintError) {
      if let (known, constraint, _) = kept, known == asked {
        try constraint.begin(bounds)
        return constraint
      }
    } catch { throw FoveaError(error, stop) }
    kept = nil
    let trie: TokenTrie
    do throws(ConstraintFailure) {
      trie = try model.vocabularyTree.trie(model.system.tokenizer, vocabulary: model.system.decoder.vocabSize, model.budget, bounds)
    } catch { throw error.error(stop) }
    let made: Constraint
    do throws(ConstraintError) {
      made = try Constraint(
        asked.kind, asked.text, trie, emptyFirstTokenIsTaken: model.system.tokenizer.leavesOutOneBlank,
        cacheLimit: model.budget.map { min(max($0.spare / 2, 512 << 10), 8 << 20) } ?? 32 << 20, bounds: bounds)
    } catch { throw FoveaError(error, stop) }
    kept = (asked, made, try model.budget?.hold(made.memory, "constraint"))
    do throws(RuntimeError) { try requireMemory() } catch { throw FoveaError(error) }
    return made
  }
}
