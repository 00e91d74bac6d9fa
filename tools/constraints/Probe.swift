// SPDX-License-Identifier: Apache-2.0
// A program around Sources/Constraints, compiled with it by probe.py: takes a vocabulary and commands, a line each, and answers a line each. Times
// and deadlines are CPU time.
//
//   constraint KIND BYTES DEADLINE_MS CACHE_BYTES   then so many bytes of text: "ok SECONDS MEMORY" or "error SECONDS WORDS"
//   begin                                           a new answer
//   mask                                            ids that may come next, the number of tokens where the answer may end here
//   accept ID                                       "ok" or "error WORDS"
//   forced MOST                                     ids
//   walk SEED TOKENS DEADLINE_MS                    a random answer: "ended" or "cut" at so many tokens, and its ids
//   follow BYTES                                    then a text: its masks along the longest tokens, as `bench`
//   bench SEED TOKENS                               random answers: "MASKS HASH" and what each token took, tenths of a microsecond of CPU time, ascending
#if canImport(Glibc)
import Glibc
#else
import Musl
#endif

func seconds(_ clock: clockid_t = CLOCK_MONOTONIC) -> Double {
  var now = timespec()
  clock_gettime(clock, &now)
  return Double(now.tv_sec) + Double(now.tv_nsec) * 1e-9
}

func readBytes(_ count: Int, _ file: UnsafeMutablePointer<FILE>) -> [UInt8] {
  [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in filled = fread(buffer.baseAddress, 1, count, file) }
}

func say(_ text: String) {
  print(text)
  fflush(nil)
}

struct Dice {
  var state: UInt64
  mutating func next(_ count: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int(state >> 33) % max(count, 1)
  }
}

/// Tokens of a file: of each a byte (0: nothing, 1: text, 2: text after a blank that may be left out), two of its length, and its bytes.
func readTrie(_ path: String) throws -> TokenTrie {
  guard let file = fopen(path, "rb") else { throw ConstraintError.syntax(line: 0, column: 0, problem: "cannot open \(path)") }
  defer { fclose(file) }
  var all: [(kind: UInt8, text: [UInt8])] = []
  while true {
    let head = readBytes(3, file)
    guard head.count == 3 else { break }
    all.append((head[0], readBytes(Int(head[1]) | Int(head[2]) << 8, file)))
  }
  let tokens = all
  // One more: the answer's end.
  return try TokenTrie(vocabulary: tokens.count + 1, bounds: ConstraintBounds()) { id, out in
    guard Int(id) < tokens.count else { return .none }
    out += tokens[Int(id)].text
    return [.none, .text, .textAfterSpace][Int(min(tokens[Int(id)].kind, 2))]
  }
}

final class Probe {
  let trie: TokenTrie
  let end: Int32
  var constraint: Constraint?
  var logits: UnsafeMutableBufferPointer<Float>

  init(_ trie: TokenTrie) {
    self.trie = trie
    end = Int32(trie.vocabulary - 1)
    logits = .allocate(capacity: trie.vocabulary)
  }

  func compile(_ kind: Constraint.Kind, _ text: [UInt8], _ deadline: Double, _ cache: Int) {
    constraint = nil
    let start = seconds(CLOCK_THREAD_CPUTIME_ID)
    let bounds = ConstraintBounds { deadline > 0 && seconds(CLOCK_THREAD_CPUTIME_ID) - start > deadline }
    do throws(ConstraintError) {
      let made = try Constraint(kind, text, trie, emptyFirstTokenIsTaken: true, cacheLimit: cache, bounds: bounds)
      constraint = made
      say("ok \(seconds(CLOCK_THREAD_CPUTIME_ID) - start) \(made.memory)")
    } catch {
      say("error \(seconds(CLOCK_THREAD_CPUTIME_ID) - start) \(error.description.split(separator: "\n").joined(separator: " "))")
    }
  }

  func allowed(_ constraint: Constraint) throws(ConstraintError) -> [Int32] {
    logits.update(repeating: 0)
    try constraint.mask(logits, endIds: [end])
    return logits.indices.compactMap { logits[$0] == 0 ? Int32($0) : nil }
  }

  func walk(_ constraint: Constraint, _ seed: Int, _ most: Int, _ deadline: Double) throws(ConstraintError) -> String {
    let start = seconds(CLOCK_THREAD_CPUTIME_ID)
    try constraint.begin(ConstraintBounds { deadline > 0 && seconds(CLOCK_THREAD_CPUTIME_ID) - start > deadline })
    var dice = Dice(state: UInt64(seed))
    var ids: [Int32] = []
    while ids.count < most {
      let found = try allowed(constraint)
      // Answers shall end.
      var next = found[dice.next(found.count)]
      if found.last == end, dice.next(3) == 0 { next = end }
      try constraint.accept(next, endIds: [end])
      if next == end { return "ended " + ids.map(String.init).joined(separator: " ") }
      ids.append(next)
    }
    return "cut " + ids.map(String.init).joined(separator: " ")
  }

  /// CPU times of `mask`, `accept` and `forced` for each token that `choose` takes, and a hash of the masks.
  func bench(_ constraint: Constraint, _ most: Int, _ choose: ([Int32]) -> Int32?) throws(ConstraintError) -> String {
    try constraint.begin(ConstraintBounds())
    var times: [Double] = []
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    while times.count < most {
      logits.update(repeating: 0)
      let start = seconds(CLOCK_THREAD_CPUTIME_ID)
      _ = try constraint.forced(most: 16)
      try constraint.mask(logits, endIds: [end])
      var spent = seconds(CLOCK_THREAD_CPUTIME_ID) - start
      let found = logits.indices.compactMap { logits[$0] == 0 ? Int32($0) : nil }
      for id in found { hash = (hash ^ UInt64(id)) &* 0x100_0000_01B3 }
      guard let next = choose(found) else { break }
      let again = seconds(CLOCK_THREAD_CPUTIME_ID)
      try constraint.accept(next, endIds: [end])
      spent += seconds(CLOCK_THREAD_CPUTIME_ID) - again
      times.append(spent)
      if constraint.isComplete || next == end { try constraint.begin(ConstraintBounds()) }
    }
    return "\(times.count) \(hash) " + times.sorted().map { String(Int($0 * 1e7)) }.joined(separator: " ")
  }

  func random(_ constraint: Constraint, _ seed: Int, _ most: Int) throws(ConstraintError) -> String {
    var dice = Dice(state: UInt64(seed))
    return try bench(constraint, most) { found in
      if found.last == end, dice.next(4) == 0 { return end }
      return found[dice.next(found.count)]
    }
  }

  func follow(_ constraint: Constraint, _ text: [UInt8]) throws(ConstraintError) -> String {
    var at = 0
    return try bench(constraint, 1 << 20) { _ in
      var (node, best, length) = (0, Int32(-1), 0)
      var i = at
      while i < text.count, let child = trie.child(node, text[i]) {
        (node, i) = (child, i + 1)
        if trie.firstTokens[node] < trie.firstTokens[node + 1] { (best, length) = (trie.tokens[Int(trie.firstTokens[node])], i - at) }
      }
      at += length
      return best >= 0 ? best : nil
    }
  }

  func answer(_ words: [Substring], _ number: (Int) -> Int) throws(ConstraintError) -> String {
    guard let constraint else { return "error no constraint" }
    switch words[0] {
    case "begin":
      try constraint.begin(ConstraintBounds())
      return "ok"
    case "mask": return try allowed(constraint).map(String.init).joined(separator: " ")
    case "accept":
      try constraint.accept(Int32(number(1)), endIds: [end])
      return "ok"
    case "forced": return try constraint.forced(most: number(1)).map(String.init).joined(separator: " ")
    case "walk": return try walk(constraint, number(1), number(2), Double(number(3)) / 1000)
    case "bench": return try random(constraint, number(1), number(2))
    case "follow": return try follow(constraint, readBytes(number(1), stdin))
    default: return "error unknown command"
    }
  }
}

@main struct Main {
  static func main() throws {
    let start = seconds()
    let probe = Probe(try readTrie(CommandLine.arguments.count > 1 ? CommandLine.arguments[1] : ""))
    say("ok \(seconds() - start) \(probe.trie.byteCount)")
    while let line = readLine() {
      let words = line.split(separator: " ")
      guard !words.isEmpty else { continue }
      func number(_ i: Int) -> Int { i < words.count ? Int(words[i]) ?? 0 : 0 }
      if words[0] == "constraint" {
        let kinds: [String: Constraint.Kind] = ["regex": .regularExpression, "grammar": .grammar, "schema": .jsonSchema]
        let text = readBytes(number(2), stdin)
        probe.compile(kinds[words.count > 1 ? String(words[1]) : ""] ?? .grammar, text, Double(number(3)) / 1000, number(4))
        continue
      }
      do throws(ConstraintError) { say(try probe.answer(words, number)) } catch { say("error \(error.description)") }
    }
  }
}
