// SPDX-License-Identifier: Apache-2.0
import Shims

/// The download cache of huggingface_hub, as its documentation describes it.
package enum HubCache {
  /// `HF_HUB_CACHE`, else `hub` in `HF_HOME`, else in `huggingface` in the user's cache; nil: none is set.
  /// - Parameter environment: returns a variable's value.
  package static func path(_ environment: (String) -> String? = Self.variable) -> String? {
    func folder(_ name: String) -> String? {
      guard let text = environment(name), !text.isEmpty else { return nil }
      return text.hasPrefix("~/") ? environment("HOME").map { $0 + text.dropFirst() } : text
    }
    if let path = folder("HF_HUB_CACHE") ?? folder("HUGGINGFACE_HUB_CACHE") { return path }
    if let home = folder("HF_HOME") { return home + "/hub" }
    if let cache = folder("XDG_CACHE_HOME") { return cache + "/huggingface/hub" }
    return folder("HOME").map { $0 + "/.cache/huggingface/hub" }
  }

  /// The folder of a repository `org/name` in the cache at `path`, which may not be there.
  static func folder(_ repository: String, in path: String) -> String { path + "/models--" + repository.replacing("/", with: "--") }

  /// The repository that a snapshot's path belongs to; nil: the path is not a snapshot.
  static func repository(ofSnapshot path: String) -> String? {
    let parts = path.split(separator: "/")
    guard parts.count >= 3, parts[parts.count - 2] == "snapshots", parts[parts.count - 3].hasPrefix("models--") else { return nil }
    return parts[parts.count - 3].dropFirst("models--".count).split(separator: "--", maxSplits: 1).joined(separator: "/")
  }

  package static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}
