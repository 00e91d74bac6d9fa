// SPDX-License-Identifier: Apache-2.0

/// A queue with round-robin among clients: a client with a hundred requests delays another's single request by one only.
struct FairQueue<Element> {
  private var waiting: [String: [Element]] = [:]
  /// Clients with waiting elements, the next one first.
  private var turns: [String] = []
  private(set) var count = 0

  mutating func add(_ element: Element, client: String) {
    if waiting[client, default: []].isEmpty { turns.append(client) }
    waiting[client, default: []].append(element)
    count += 1
  }

  mutating func take() -> Element? {
    guard !turns.isEmpty else { return nil }
    let client = turns.removeFirst()
    guard var own = waiting.removeValue(forKey: client), !own.isEmpty else { return take() }
    let element = own.removeFirst()
    count -= 1
    if !own.isEmpty {
      waiting[client] = own
      turns.append(client)
    }
    return element
  }

  /// Removes the elements that `isWanted` selects.
  mutating func remove(where isWanted: (Element) -> Bool) -> [Element] {
    var removed: [Element] = []
    for client in turns {
      let own = waiting[client] ?? []
      removed += own.filter(isWanted)
      let rest = own.filter { !isWanted($0) }
      waiting[client] = rest.isEmpty ? nil : rest
    }
    turns.removeAll { waiting[$0] == nil }
    count -= removed.count
    return removed
  }
}
