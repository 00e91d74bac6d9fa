// SPDX-License-Identifier: Apache-2.0
import Families
import Runtime
import Schema
import WeightFile

/// Serialised image embeddings.
extension Model {
  /// The embedding that `ImageEmbedding.write` wrote, for this weight file. The bytes are untrusted: all are checked.
  package func embedding(from bytes: UnsafeRawBufferPointer) throws(FoveaError) -> ImageEmbedding {
    // The vectors are checked in an aligned f32 copy.
    let holding = try budget?.hold((ImageEmbedding.hasHalves(bytes) ? 4 : 2) * min(bytes.count, Int.max / 4), "image embedding")
    do {
      let embedding = try ImageEmbedding.read(
        bytes, model: identity, hiddenSize: system.decoder.hiddenSize, maximumTokens: system.vision.maximumTokens,
        mapChannels: system.vision.regionEncoder?.featureSize, host: hostMemory)
      holding?.shrink(to: embedding.heldBytes)
      embedding.holding = holding
      embedding.counted = CountedMemory(counters.images, embedding.heldBytes)
      return embedding
    } catch { throw FoveaError(error) }
  }

  /// The same from a file.
  package func embedding(path: UnsafePointer<CChar>) throws(FoveaError) -> ImageEmbedding {
    let name = String(cString: path)
    let file: WholeFile
    do { file = try WholeFile(path: path) } catch { throw FoveaError(error) }
    // The file's bytes are held beside the embedding made of them.
    let holding = try budget?.hold(file.size, name)
    defer { withExtendedLifetime((file, holding)) {} }
    let bytes: UnsafeRawBufferPointer
    do { bytes = try file.read() } catch { throw FoveaError(error) }
    do throws(FoveaError) { return try embedding(from: bytes) } catch {
      if case .embedding(let problem) = error { throw .embeddingFile(name, problem) }
      throw error
    }
  }

  /// For each tensor of a file, whether the given part of its system reads it.
  package static func tensors(of part: FilePart, in file: WeightFile) throws(FoveaError) -> [Bool] {
    let general: GeneralSettings
    do { general = try GeneralSettings(file.metadata) } catch { throw FoveaError(error) }
    guard general.part == nil else { throw .unsupported(file.name, "is a part already.") }
    let store: WeightStore
    do { store = try WeightStore(planning: file) } catch { throw FoveaError(error) }
    _ = try LoadedSystem(store.root, file.metadata)
    return file.records.map { store.isRead($0, by: part == .decoder ? .decoder : .vision) }
  }
}
