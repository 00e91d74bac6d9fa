// SPDX-License-Identifier: Apache-2.0
import CFovea
import Foundation
import Synchronization

/// Facts of a model, known from the start, even while it is not loaded.
struct ModelFacts: Sendable {
  let system, name, weightType: String
  let contextLength, imageTokens, imageBytes: Int
  /// Whether questions may have regions, and answers places.
  let takesRegions, namesPlaces: Bool
  let tasks: [String]

  init(_ model: LoadedModel) {
    let info = model.info
    (system, name, weightType) = (String(cString: info.system), String(cString: info.name), String(cString: info.weight_type))
    (contextLength, imageTokens) = (Int(info.context_length), Int(info.image_tokens))
    imageBytes = Int(info.image_tokens) * Int(info.hidden_size) * 4
    let places = model.metadata("prompt.coordinates")?.string
    namesPlaces = places != nil
    takesRegions = model.metadata("region.token") != nil || places == "ferret"
    tasks = model.metadata("prompt.tasks")?.array?.compactMap(\.string) ?? []
  }
}

/// A loaded model, guaranteed to stay loaded.
struct ModelLease: Sendable {
  let workers: ModelWorkers
  let facts: ModelFacts
  fileprivate let hold: ModelCache.Hold
}

/// The models by name, loaded on first use; when memory is short, the least recently used one is unloaded.
final class ModelCache: Sendable {
  struct Entry: Sendable {
    let name, path: String
    let facts: ModelFacts
    fileprivate(set) var workers: ModelWorkers?
    /// Bytes reserved for it.
    fileprivate(set) var budget: UInt64 = 0
    fileprivate var users = 0
    fileprivate var lastUse = ContinuousClock.now
  }

  private let settings: LoadSettings
  private let budget: UInt64
  private let longestQueue: Int
  private let entries: Mutex<[Entry]>
  /// Models are loaded and unloaded one at a time, never on an event loop.
  private let loader = DispatchQueue(label: "fovea.loader")

  /// - Parameter budget: bytes for all models together.
  /// - Throws: where a file cannot be loaded, or not within the budget.
  init(models: [(name: String, path: String)], settings: LoadSettings, budget: UInt64, longestQueue: Int) throws {
    (self.settings, self.budget, self.longestQueue) = (settings, budget, longestQueue)
    entries = Mutex(
      try models.map { model in
        do throws(LibraryFailure) {
          return Entry(name: model.name, path: model.path, facts: ModelFacts(try LoadedModel(path: model.path, settings: settings, budget: budget)))
        } catch {
          throw StartFailure("\(model.name): \(error.message)")
        }
      })
  }

  var all: [Entry] { entries.withLock { $0 } }

  /// A model that stays loaded while the lease is held; without a name the first one.
  func lease(_ name: String?) async throws -> ModelLease {
    let (index, entry) = try entries.withLock { entries in
      guard let index = name.map({ name in entries.firstIndex { $0.name == name } }) ?? 0 else {
        throw APIError(.notFound, "model_not_found", "There is no model \"\(name ?? "")\"; see /v1/models.", parameter: "model")
      }
      entries[index].users += 1
      return (index, entries[index])
    }
    let hold = Hold(models: self, index: index)
    if let workers = entry.workers { return ModelLease(workers: workers, facts: entry.facts, hold: hold) }
    let workers = try await withCheckedThrowingContinuation { continuation in
      loader.async { continuation.resume(with: Result { try self.load(index) }) }
    }
    return ModelLease(workers: workers, facts: entry.facts, hold: hold)
  }

  /// Counts a user of a model while it lives.
  fileprivate final class Hold: Sendable {
    let models: ModelCache
    let index: Int
    init(models: ModelCache, index: Int) { (self.models, self.index) = (models, index) }
    deinit {
      models.entries.withLock { [index] entries in
        entries[index].users -= 1
        entries[index].lastUse = .now
      }
    }
  }

  /// Runs on the loader's queue.
  private func load(_ index: Int) throws -> ModelWorkers {
    let entry = entries.withLock { $0[index] }
    if let workers = entry.workers { return workers }
    do throws(LibraryFailure) {
      let plan = try LoadedModel.plan(path: entry.path, settings: settings)
      // Pictures of all running requests, and as many cached for later turns.
      let pictures = UInt64(entry.facts.imageBytes) * UInt64(2 * settings.sessions + 2)
      // The plan knows no constraints: the vocabulary's tree, and the tables of each session's.
      let wanted = plan.total_bytes + pictures + UInt64(settings.sessions + 1) * (8 << 20)
      while free < wanted, unloadLeastRecentlyUsed() {}
      let given = min(wanted, free)
      guard given >= plan.least_bytes else {
        throw LibraryFailure(status: FOVEA_ERROR_MEMORY, "\(entry.name) needs \(plan.least_bytes) bytes; others hold them.")
      }
      let model = try LoadedModel(path: entry.path, settings: settings, budget: given)
      let workers = ModelWorkers(
        name: entry.name, model: model, sessions: settings.sessions, longest: longestQueue,
        picturesBytes: given < wanted ? 0 : entry.facts.imageBytes * (settings.sessions + 2))
      entries.withLock { ($0[index].workers, $0[index].budget) = (workers, given) }
      return workers
    } catch {
      throw APIError(error, timeLimit: 0)
    }
  }

  private var free: UInt64 {
    let held = entries.withLock { $0.reduce(0) { $0 + $1.budget } }
    return budget - min(held, budget)
  }

  /// false where no model can be unloaded.
  private func unloadLeastRecentlyUsed() -> Bool {
    let workers: ModelWorkers? = entries.withLock { entries in
      let candidates = entries.indices.filter { entries[$0].workers != nil && entries[$0].users == 0 }
      guard let oldest = candidates.min(by: { entries[$0].lastUse < entries[$1].lastUse }) else { return nil }
      let workers = entries[oldest].workers
      entries[oldest].workers = nil
      return workers
    }
    guard let workers else { return false }
    workers.end()
    entries.withLock { entries in
      for i in entries.indices where entries[i].workers == nil { entries[i].budget = 0 }
    }
    return true
  }

  func stopAll(_ reason: APIError) {
    for entry in all { entry.workers?.stopAll(reason) }
  }
}

/// Why the program cannot start.
struct StartFailure: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}
