// SPDX-License-Identifier: Apache-2.0
import Decoders
import Families
import Regions
import Runtime
import Shims
import Tokenizers

extension Session {
  /// Positions of a pass that scores a text: its logits fit the scratch memory of an answer.
  private static let scoredRows = 12

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
  /// - Parameters:
  ///   - name: what the caller calls the texts, for errors.
  ///   - ends: the answer ends after the text; false: it may continue.
  package func scores(
    _ request: Request, continuations: [[UInt8]], named name: String = "continuations", ends: Bool = false, options: GenerateOptions
  ) throws(FoveaError) -> [Double] {
    try options.check()
    arm(options)
    let sequence = try assemble(request, options)
    var texts: [[Int32]] = []
    for (i, text) in continuations.enumerated() {
      let argument = "\(name)[\(i)]"
      let ids = try model.system.tokenize(text, argument, limit: contextLength, stop: stop)
      guard !ids.isEmpty else { throw FoveaError.argument(argument, "is empty") }
      let passed = ends ? ids.count : ids.count - 1
      guard sequence.count + passed <= contextLength else {
        throw .context(argument, positions: sequence.count + passed, isLeast: false, capacity: contextLength)
      }
      texts.append(ids)
    }
    return try together { () throws(RuntimeError) in
      try score(texts, ends: ends && !model.system.endIds.isEmpty, after: sequence, options)
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
    try prefill(sequence, from: reuse(sequence), progress: options.progress, scores: first)
    let logits = try arena.tensor(Self.scoredRows, decoder.vocabSize)
    var scores: [Double] = []
    for ids in texts {
      var sum = logProbability(of: ids[..<1], first[0])
      // Tokens to run: the logits after each are needed.
      let passed = ends ? ids.count : ids.count - 1
      // What is appended to the cache here is not part of the history.
      defer { cache.truncate(to: sequence.count) }
      for start in stride(from: 0, to: passed, by: logits.rows) {
        let mark = arena.mark()
        defer { arena.release(to: mark) }
        let x = try arena.tensor(min(logits.rows, passed - start), decoder.hiddenSize)
        for i in 0..<x.rows { try embed(ids[start + i], into: x.slice(rows: i..<i + 1), context) }
        try pass(DecoderPass(decoder, x, cache, scores: logits.slice(rows: 0..<x.rows)))
        for i in 0..<x.rows {
          let next = start + i + 1
          sum += logProbability(of: next < ids.count ? ids[next...next] : model.system.endIds[...], logits[i])
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
