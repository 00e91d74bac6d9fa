// SPDX-License-Identifier: Apache-2.0
import Decoders
import Families
import Regions
import Runtime
import Shims
import Tokenizers

extension Session {
  /// Log-probability of each of several texts as the beginning of the answer.
  /// - Parameters:
  ///   - continuations: UTF-8, none of them empty. Each is tokenised by itself, as answers were in training.
  ///   - options: only the prompt format, deadline and progress are used.
  /// - Returns: for each text Σ ln p(token | prompt, tokens before).
  package func score(
    prompt: [UInt8], images: [ImageEmbedding], regions: [Region] = [], continuations: [[UInt8]], options: GenerateOptions
  ) throws(FoveaError) -> [Double] {
    try exclusively { () throws(FoveaError) in
      try scores(.prompt(prompt, images: images, regions: regions), continuations: continuations, options: options)
    }
  }

  /// `score` for a caller that holds the session (`exclusively`).
  /// - Parameter ends: the answer ends after the text; false: it may continue.
  package func scores(
    _ request: Request, continuations: [[UInt8]], ends: Bool = false, options: GenerateOptions
  ) throws(FoveaError) -> [Double] {
    try options.check()
    arm(options)
    let sequence = try assemble(request, options)
    var texts: [[Int32]] = []
    for (i, text) in continuations.enumerated() {
      let name = "continuations[\(i)]"
      let ids = try model.system.tokenize(text, name, limit: contextLength, stop: stop)
      guard !ids.isEmpty else { throw FoveaError.argument(name, "is empty") }
      let passed = ends ? ids.count : ids.count - 1
      guard sequence.count + passed <= contextLength else {
        throw .context(name, positions: sequence.count + passed, isLeast: false, capacity: contextLength)
      }
      texts.append(ids)
    }
    let holding = try model.budget?.answering()
    defer { withExtendedLifetime(holding) {} }
    do throws(RuntimeError) { return try score(texts, ends: ends && !model.system.endIds.isEmpty, after: sequence, options) } catch {
      throw FoveaError(error)
    }
  }

  private func score(
    _ texts: [[Int32]], ends: Bool, after sequence: PromptSequence, _ options: GenerateOptions
  ) throws(RuntimeError) -> [Double] {
    let decoder = model.system.decoder
    let context = model.context(arena, stop)
    let mark = arena.mark()
    defer { arena.release(to: mark) }
    let first = try arena.tensor(1, decoder.vocabSize)
    let shared = reuse(sequence)
    try together { () throws(RuntimeError) in try prefill(sequence, from: shared, progress: options.progress, scores: first) }
    var scores: [Double] = []
    for ids in texts {
      var sum = logProbability(of: ids[..<1], first[0])
      // Tokens to run: the logits after each are needed.
      let passed = ends ? ids.count : ids.count - 1
      if passed > 0 {
        let mark = arena.mark()
        defer { arena.release(to: mark) }
        // What is appended to the cache here is not part of the history.
        defer { cache.truncate(to: sequence.count) }
        let x = try arena.tensor(passed, decoder.hiddenSize)
        for i in 0..<x.rows { try embed(ids[i], into: x.slice(rows: i..<i + 1), context) }
        let states = try decoder(x, cache: cache, progress: nil, context)
        let logits = try arena.tensor(1, decoder.vocabSize)
        for i in 0..<x.rows {
          try decoder.logits(states.slice(rows: i..<i + 1), into: logits, context)
          sum += logProbability(of: i + 1 < ids.count ? ids[(i + 1)...(i + 1)] : model.system.endIds[...], logits[0])
        }
      }
      scores.append(sum)
    }
    try context.check()
    return scores
  }

  /// ln of the summed probability of several ids.
  private func logProbability(of ids: ArraySlice<Int32>, _ logits: UnsafeMutablePointer<Float>) -> Double {
    let count = model.system.decoder.vocabSize
    var largest = -Float.infinity
    for i in 0..<count { largest = max(largest, logits[i]) }
    var total = 0.0
    for i in 0..<count { total += exp(Double(logits[i] - largest)) }
    if let id = ids.first, ids.count == 1, (0..<Int32(count)).contains(id) { return Double(logits[Int(id)] - largest) - log(total) }
    return log(ids.reduce(0.0) { (0..<count).contains(Int($1)) ? $0 + exp(Double(logits[Int($1)] - largest)) : $0 }) - log(total)
  }
}
