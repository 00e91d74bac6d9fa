// SPDX-License-Identifier: Apache-2.0

/// A host's log. Any thread may write to it.
package struct Log: Sendable {
  package enum Level: Int32, Sendable {
    case debug = 1
    case info, warning
  }

  private let write: @Sendable (Level, String) -> Void

  /// - Parameter write: takes one line.
  package init(_ write: @escaping @Sendable (Level, String) -> Void) { self.write = write }

  func callAsFunction(_ level: Level, _ message: String) { write(level, message) }
}

extension Model {
  /// How the model was loaded.
  func logLoading(_ options: LoadOptions) {
    guard let log else { return }
    let (all, own) = (weightBytes / 1_000_000, residentBytes / 1_000_000)
    log(.info, "\(file.name): \(all) MB of weights, \(own) MB of them in allocated memory, \(isaName.description), \(pool.threads) threads")
    if let budgetBytes {
      let how =
        switch residency {
        case .resident: "in memory"
        case .onDemand: "in memory on demand"
        case .streamed: "streamed"
        }
      log(.info, "\(file.name): weights are \(how), for a budget of \(budgetBytes / 1_000_000) MB")
    }
    if let asked = options.threads, pool.threads < asked {
      log(.warning, "\(file.name): the system gave \(pool.threads) of \(asked) threads")
    }
  }
}
