import Families
// SPDX-License-Identifier: Apache-2.0
import Images
import Runtime
import Schema
import WeightFile

/// How a model is loaded.
package struct LoadOptions {
  /// Worker threads; `nil` takes what affinity, cgroup limits and physical cores allow.
  package var threads: Int?
  /// Bytes the process may spend on this model. Loading is refused where the plan exceeds it, and a call where it needs more than is left.
  package var memoryBudget: Int?
  /// Which weights stay in memory; nil: as the budget requires.
  package var residency: Residency.Mode?
  /// Sessions that the memory plan counts, all answering at the same time.
  package var sessions = 1
  /// The image that the memory plan counts; nil: the size with the most views.
  package var imageSize: ImageSize?
  /// Positions a session can hold; `nil` takes the checkpoint's context length.
  package var contextLength: Int?
  /// Type of the KV cache; `nil`: f32 for files of f32 weights, else f16.
  package var cacheType: CacheType?
  /// False: the file is read instead of mapped, and may change once it is loaded.
  package var maps: Bool
  /// True: every data checksum is verified before use, also of tensors used in place.
  package var verify: Bool
  /// Collects the inputs of all GEMMs of this model; only one computation may then run at a time.
  package var statistics: InputStatistics?
  /// A host's threads instead of the library's own.
  package var hostThreads: HostThreads?
  /// A host's memory for large blocks; nil: the system's.
  package var hostMemory: HostMemory?
  /// A host's log.
  package var log: Log?
  /// Called with tensors prepared and tensors in all; false stops the load.
  package var progress: ((Int, Int) -> Bool)?

  package init(
    threads: Int? = nil, memoryBudget: Int? = nil, contextLength: Int? = nil, cacheType: CacheType? = nil, maps: Bool = true,
    verify: Bool = false, statistics: InputStatistics? = nil, progress: ((Int, Int) -> Bool)? = nil
  ) {
    self.threads = threads
    self.memoryBudget = memoryBudget
    self.contextLength = contextLength
    self.cacheType = cacheType
    self.maps = maps
    self.verify = verify
    self.statistics = statistics
    self.progress = progress
  }
}

extension LoadOptions {
  /// What can be said without the file.
  func check() throws(FoveaError) {
    if let threads, !(1...1024).contains(threads) { throw .argument("threads", "\(threads), must be 1…1024") }
    if let imageSize, max(imageSize.width, imageSize.height) > EncodedRows.longestSide {
      throw .argument("image_width, image_height", "\(imageSize.width) × \(imageSize.height), sides have at most \(EncodedRows.longestSide) pixels")
    }
  }

  /// Positions that a session of the file's model holds; more than the checkpoint's are an error.
  func contextLength(of file: WeightFile) throws(FoveaError) -> Int {
    let most: Int
    do { most = try DecoderSettings(file.metadata).contextLength } catch { throw FoveaError(error) }
    guard let asked = contextLength else { return most }
    guard (1...most).contains(asked) else { throw .argument("context_length", "is \(asked), \(file.name) takes at most \(most)") }
    return asked
  }
}
