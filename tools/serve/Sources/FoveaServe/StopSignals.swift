// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Calls back on SIGTERM and SIGINT. A second signal ends the program at once.
final class StopSignals {
  private let sources: [any DispatchSourceSignal]

  init(_ stop: @escaping @Sendable () -> Void) {
    sources = [SIGTERM, SIGINT].map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .main)
      return source
    }
    let queue = DispatchQueue(label: "fovea.signals")
    nonisolated(unsafe) var count = 0
    for source in sources {
      source.setEventHandler {
        queue.sync { count += 1 }
        if count > 1 { exit(130) }
        stop()
      }
      source.resume()
    }
  }
}
