// SPDX-License-Identifier: Apache-2.0
import Conversion
import Families
import Schema
import Testing
import WeightFile

/// Every key by its declaration.
@Suite struct KeyTests {
  private func isEqual(_ a: Entries, _ b: Entries) -> Bool {
    a.count == b.count && zip(a, b).allSatisfy { $0.key == $1.key && $0.value == $1.value }
  }

  /// Reads entries over `settings`, whose bounds stay.
  private func read<S: Settings>(_ settings: S, _ entries: Entries) throws -> Entries {
    var copy = settings
    try copy.read(metadata(entries))
    return try copy.entries(file: "again")
  }

  private func declared() -> [Key] { KeyTable.parts.flatMap(\.keys) }

  @Test func everyWrittenKeyIsDeclaredAndEveryDeclaredOneWritten() throws {
    let names = Set(declared().map(\.name))
    var written = Set<String>()
    for path in Samples.checkpoints {
      let converter = try Converter(OpenCheckpoint(path: path))
      for (key, _) in converter.metadata {
        #expect(names.contains(key), "\(key) of \(path)")
        written.insert(key)
      }
    }
    #expect(Samples.checkpoints.count >= 15)
    // `Samples.rare` says why no checkpoint here has them.
    let rare: Set = [
      "language.ropeFactor", "language.ropeLowFrequencyFactor", "language.ropeHighFrequencyFactor",
      "hires.restoreDownRatio", "hires.enlarge", "hires.doubt",
      "tokenizer.charsMap", "tokenizer.unknownSurface", "tokenizer.unk", "tokenizer.splits",
      "general.identity", "general.part", "prompt.locations.row", "prompt.locations.count",
    ]
    #expect(names.subtracting(written).subtracting(rare) == [])
    var rarelyWritten = Set<String>()
    for settings in try Samples.rare() { for (key, _) in try settings.entries(file: "t") { rarelyWritten.insert(key) } }
    #expect(rare.subtracting(rarelyWritten) == [])
  }

  @Test func keysHaveOneTypeEverywhere() {
    var kinds: [String: MetadataValue.Kind] = [:]
    for key in declared() where key.kind != .strings && key.kind != .byteStrings {
      #expect(kinds[key.name] ?? key.kind == key.kind, "\(key.name)")
      kinds[key.name] = key.kind
      #expect(key.meaning.description.hasSuffix(".") || key.meaning.description.contains("`"), "\(key.name)")
    }
  }

  @Test func whatIsWrittenIsReadBack() throws {
    for settings in try Samples.ofCheckpoints() + Samples.rare() {
      let entries = try settings.entries(file: "first")
      #expect(isEqual(entries, try read(settings, entries)), "\(type(of: settings))")
    }
  }

  /// Values at random, several at once: what is read is written again, what is refused names a key.
  @Test func randomValuesAreReadBackOrRefusedByName() throws {
    var random = SeededGenerator(7)
    var accepted = 0
    for settings in try Samples.ofCheckpoints() + Samples.rare() {
      let entries = try settings.entries(file: "first")
      let keys = settings.keys()
      for _ in 0..<12 {
        var changed = entries
        for _ in 0..<Int.random(in: 1...3, using: &random) {
          guard let i = changed.indices.randomElement(using: &random) else { continue }
          guard let key = keys.first(where: { $0.name == changed[i].key && $0.kind == changed[i].value.kind }) else { continue }
          changed[i].value = value(in: key.limits, like: changed[i].value, &random)
        }
        do {
          let again = try read(settings, changed)
          // A condition that no longer holds takes keys away; those that remain have their values, and new ones their defaults.
          for (key, value) in again { if let found = changed.first(where: { $0.key == key }) { #expect(found.value == value, "\(key)") } }
          accepted += 1
        } catch let error as WeightFileError {
          #expect(keys.contains { error.description.contains($0.name) }, "\(error)")
        }
      }
    }
    #expect(accepted > 200)
  }

  private func value(in limits: Key.Limits, like value: MetadataValue, _ random: inout SeededGenerator) -> MetadataValue {
    func int(_ range: ClosedRange<Int>) -> Int {
      // Small and round numbers pass the checks against others more often.
      [1, 2, 4, 8, 56, Int.random(in: range, using: &random)].filter(range.contains).randomElement(using: &random) ?? range.lowerBound
    }
    return switch (value, limits) {
    case (.int, .ints(let range)): .int(int(range))
    case (.ints(let list), .ints(let range)): .ints(list.map { _ in int(range) })
    case (.double, .doubles(let range)): .double(Double.random(in: range, using: &random))
    case (.string, .spellings(let all)): .string((all.randomElement(using: &random) ?? "").description)
    case (.bool, _): .bool(Bool.random(using: &random))
    default: value
    }
  }

  @Test func everyWrongTypeAndEveryValueOutOfRangeIsNamed() throws {
    var tried = Set<String>()
    for settings in try Samples.ofCheckpoints() + Samples.rare() {
      let entries = try settings.entries(file: "first")
      for key in settings.keys() where !tried.contains("\(type(of: settings)) \(key.name)") {
        guard let i = entries.firstIndex(where: { $0.key == key.name && $0.value.kind == key.kind }) else { continue }
        tried.insert("\(type(of: settings)) \(key.name)")
        for wrong in wrongValues(key, entries[i].value) {
          var damaged = entries
          damaged[i].value = wrong
          do {
            _ = try read(settings, damaged)
            Issue.record("\(key.name): no error for \(wrong)")
          } catch let error as WeightFileError { #expect(error.description.contains(key.name), "\(error)") }
        }
        if case .required = key.presence {
          let error = #expect(throws: WeightFileError.self) { _ = try read(settings, entries.filter { $0.key != key.name }) }
          #expect(error?.description.contains("metadata \(key.name) is missing") == true, "\(key.name)")
        }
      }
    }
    let names = Set(tried.map { $0.split(separator: " ").last.map(String.init) ?? "" })
    #expect(Set(declared().map(\.name)).subtracting(names) == [])
  }

  @Test func messagesSayFileKeyAndRange() throws {
    var settings = LlamaSettings()
    let error = #expect(throws: WeightFileError.self) { try settings.read(metadata([("language.hiddenSize", .int(0))])) }
    #expect(error?.description.hasSuffix(".fovea: metadata language.hiddenSize is 0, not in 1 … 65536") == true)
    settings.heads = 2000
    let refused = #expect(throws: WeightFileError.self) { _ = try settings.entries(file: "config.json") }
    #expect(refused?.description == "config.json: metadata language.heads is 2000, not in 1 … 1024")
  }

  private func wrongValues(_ key: Key, _ value: MetadataValue) -> [MetadataValue] {
    var wrong: [MetadataValue] = [key.kind == .bytes ? .int(1) : .bytes([1])]
    switch (value, key.limits) {
    case (.int, .ints(let range)): wrong += [.int(range.lowerBound - 1), .int(range.upperBound + 1), .double(1)]
    case (.ints(let list), .ints(let range)) where !list.isEmpty:
      wrong += [.ints([range.lowerBound - 1] + list.dropFirst()), .ints([range.upperBound + 1] + list.dropFirst())]
    case (.double, .doubles(let range)): wrong += [.double(range.lowerBound.nextDown), .double(range.upperBound.nextUp), .double(.nan)]
    case (.doubles(let list), .doubles(let range)): wrong.append(.doubles([range.upperBound.nextUp] + list.dropFirst()))
    case (.string, .spellings): wrong.append(.string("none of them"))
    case (.strings(let list), .spellings): wrong.append(.strings(["none of them"] + list.dropFirst()))
    default: break
    }
    switch value {
    case .ints(let list): if let count = key.count { wrong.append(.ints(Array(repeating: list.first ?? 1, count: count.upperBound + 1))) }
    case .doubles(let list): if let count = key.count { wrong.append(.doubles(list + list.prefix(count.upperBound - list.count + 1))) }
    default: break
    }
    return wrong
  }
}

/// SplitMix64.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
