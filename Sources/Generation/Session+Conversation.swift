// SPDX-License-Identifier: Apache-2.0
import Families
import Regions
import Runtime

extension Session {
  /// The messages as positions; where they do not fit, `options.overflow` applies.
  func assemble(conversation messages: [Message], _ options: GenerateOptions) throws(FoveaError) -> PromptSequence {
    guard !messages.isEmpty else { throw .argument("messages", "there are none") }
    guard !options.isRaw else { throw .argument("raw", "a conversation is put into the model's own form") }
    guard options.task == nil else { throw .argument("task", "a conversation has none") }
    let holding = try holdMaps(messages.flatMap { $0.regions }, messages.flatMap { $0.images })
    defer { withExtendedLifetime(holding) {} }
    let written = try written(messages)
    func sequence(dropping pairs: Int) throws(FoveaError) -> PromptSequence {
      var sequence = try self.sequence(assembled(written, dropping: pairs))
      sequence.dropped = 2 * pairs
      return sequence
    }
    guard options.overflow == .dropOldest else { return try sequence(dropping: 0) }

    // Binary search for the fewest pairs to drop: positions decrease with each.
    let wanted = options.maxTokens > contextLength ? contextLength / 4 : min(options.maxTokens, contextLength / 2)
    func fitting(_ pairs: Int) throws(FoveaError) -> PromptSequence? {
      do throws(FoveaError) {
        let found = try sequence(dropping: pairs)
        return found.count <= contextLength - max(wanted, 1) ? found : nil
      } catch {
        if case .context = error { return nil }
        throw error
      }
    }
    if let all = try fitting(0) { return all }
    let turns = written.filter { $0.turn.role != .system }.count
    // The last question always stays; if it does not fit, the call throws.
    let most = (turns - 1) / 2
    var (low, high) = (0, most)
    var best: PromptSequence?
    while low + 1 < high {
      let middle = (low + high) / 2
      if let found = try fitting(middle) { (high, best) = (middle, found) } else { low = middle }
    }
    return if let best { best } else { try sequence(dropping: high) }
  }

  /// A message with its regions written as text.
  private struct Written {
    var turn: Turn
    var images: [ImageEmbedding]
    var regions: [Region]
    var areas: [RegionArea]
  }

  private func written(_ messages: [Message]) throws(FoveaError) -> [Written] {
    let all = messages.flatMap { $0.images }
    try check(all)
    var written: [Written] = []
    written.reserveCapacity(messages.count)
    for (i, message) in messages.enumerated() {
      let areas: [RegionArea]
      do throws(FoveaError) { areas = try regionAreas(message.regions, all) } catch {
        if case .argument(let name, let problem) = error { throw .argument("messages[\(i)].\(name)", problem) }
        throw error
      }
      let text: [UInt8]
      do throws(RegionError) {
        text = try model.system.regionMarks?.prompt(message.text, regions: areas) ?? message.text
      } catch { throw FoveaError(error) }
      written.append(
        Written(turn: Turn(message.role, text, images: message.images.count), images: message.images, regions: message.regions, areas: areas))
      try checkStop()
    }
    return written
  }

  /// - Parameter pairs: how many of the oldest questions are dropped with their answers; their images move to the next one.
  private func assembled(_ written: [Written], dropping pairs: Int) throws(FoveaError) -> AssembledPrompt {
    var kept = written
    if pairs > 0 {
      let first = written.first?.turn.role == .system ? 1 : 0
      let range = first..<first + 2 * pairs
      let images = written[range].flatMap { $0.images }
      kept.removeSubrange(range)
      if !images.isEmpty, kept.indices.contains(first) {
        kept[first].images = images + kept[first].images
        kept[first].turn.images += images.count
        if PromptTemplate.hasImageMark(kept[first].turn.text) {
          kept[first].turn.text = images.flatMap { _ in PromptTemplate.imageMark } + kept[first].turn.text
        }
      }
    }
    let text = try model.system.template.prompt(conversation: kept.map { $0.turn })
    return AssembledPrompt(
      text: text, images: kept.flatMap { $0.images }, regions: kept.flatMap { $0.regions }, areas: kept.flatMap { $0.areas })
  }
}
